//! Images: attached in every way, stored without metadata, shown, sent, exported and imported. A mock engine answers; it
//! tells what it sees.
#![allow(clippy::unwrap_used, reason = "tests may panic")]
#![allow(clippy::too_many_lines, reason = "tests check many steps on one page")]

use parlance_tests::chat::{answer, ask, new_chat};
use parlance_tests::failures::record_failure;
use parlance_tests::{Page, Server, Session};
use serde_json::{Value, json};

use crate::conversations::{open, wait};

/// Functions of the page that make files: a photo, twice as wide as high, that is red on the left, with the metadata that
/// a phone held upright writes; and PNG files that claim any size.
const FILES: &str = r#"void Object.assign(window, {
    async drawn(width, height, type) {
        const canvas = new OffscreenCanvas(width, height);
        const context = canvas.getContext("2d");
        context.fillStyle = "rgb(20, 40, 230)";
        context.fillRect(0, 0, width, height);
        context.fillStyle = "rgb(230, 40, 20)";
        context.fillRect(0, 0, width / 2, height);
        return new Uint8Array(await (await canvas.convertToBlob({ type, quality: 1 })).arrayBuffer());
    },
    async photo(width, height) {
        const jpeg = await drawn(width, height, "image/jpeg");
        const text = (string) => [...string].map((letter) => letter.charCodeAt(0));
        // One entry: orientation 6, upright when turned clockwise. Then a place.
        const tiff = [...text("MM"), 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, ...text("SECRET PLACE")];
        const exif = [...text("Exif"), 0, 0, ...tiff];
        return new Uint8Array([0xff, 0xd8, 0xff, 0xe1, 0, exif.length + 2, ...exif, ...jpeg.slice(2)]);
    },
    async claiming(width, height) {
        const png = await drawn(4, 4, "image/png");
        new DataView(png.buffer).setUint32(16, width);
        new DataView(png.buffer).setUint32(20, height);
        return png;
    },
    // Of pages that are 200 by 10 points, with these contents. `/I` is an image, `/F` a font.
    pdf(...pages) {
        const stream = (entries, content) => `<<${entries}/Length ${content.length}>>stream\n${content}\nendstream`;
        const image = "/Type/XObject/Subtype/Image/Width 2/Height 1/ColorSpace/DeviceRGB/BitsPerComponent 8/Filter/ASCIIHexDecode";
        const page = (index) => `<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 10]/Contents ${6 + 2 * index} 0 R
            /Resources<</XObject<</I 3 0 R>>/Font<</F 4 0 R>>>>>>`;
        const objects = [
            "<</Type/Catalog/Pages 2 0 R>>",
            `<</Type/Pages/Count ${pages.length}/Kids[${pages.map((_, index) => `${5 + 2 * index} 0 R`).join(" ")}]>>`,
            stream(image, "ff00000000ff>"),
            "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
            ...pages.flatMap((content, index) => [page(index), stream("", content)]),
        ];
        let file = "%PDF-1.4\n";
        const places = objects.map((object, index) => {
            const place = `${file.length}`.padStart(10, "0");
            file += `${index + 1} 0 obj\n${object}\nendobj\n`;
            return `${place} 00000 n \n`;
        });
        const count = objects.length + 1;
        return `${file}xref\n0 ${count}\n0000000000 65535 f \n${places.join("")}trailer<</Size ${count}/Root 1 0 R>>\nstartxref\n${file.length}\n%%EOF\n`;
    },
    base64: (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)),
    transfer(name, content, type = "") {
        const data = new DataTransfer();
        data.items.add(new File([content], name, { type }));
        return data;
    },
    drop(name, content) {
        const event = new DragEvent("drop", { dataTransfer: transfer(name, content), bubbles: true });
        document.querySelector(".app").dispatchEvent(event);
    },
    async stored(selector) {
        const blob = await (await fetch(document.querySelector(selector).src)).blob();
        return new Uint8Array(await blob.arrayBuffer());
    },
    async corner(bytes, fromEnd) {
        const bitmap = await createImageBitmap(new Blob([bytes]));
        const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
        context.drawImage(bitmap, 0, 0);
        const [x, y] = fromEnd ? [bitmap.width - 1, bitmap.height - 1] : [0, 0];
        return [...context.getImageData(x, y, 1, 1).data.slice(0, 3)].map((value) => Math.round(value / 60));
    },
})"#;

/// Six by four pixels in kinds that a canvas does not write.
const AVIF: &str = "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUIAAADrbWV0YQAAAAAAAAAhaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAAAAAAAAAOcGl0bQAAAAAAAQAAAB5pbG9jAAAAAEQAAAEAAQAAAAEAAAETAAAAKgAAAChpaW5mAAAAAAABAAAAGmluZmUCAAAAAAEAAGF2MDFDb2xvcgAAAABqaXBycAAAAEtpcGNvAAAAFGlzcGUAAAAAAAAABgAAAAQAAAAQcGl4aQAAAAADCAgIAAAADGF2MUOBAAwAAAAAE2NvbHJuY2x4AAEADQAGgAAAABdpcG1hAAAAAAAAAAEAAQQBAoMEAAAAMm1kYXQSAAoIGAhu0QENBoQyHBTHh4ZlAgggnlAAAABIWtlc1jMo8SlRbXpqjIA=";
/// Two frames, the first of which is (0, 128, 255).
const GIF: &str = "R0lGODlhBgAEAIEAAACA/wAAAAAAAAAAACH/C05FVFNDQVBFMi4wAwEAAAAh+QQAAgAAACwAAAAABgAEAAAICwABCBxIsKDBgQEBACH5BAECAAEALAAAAAAGAAQAgf8AAAAAAAAAAAAAAAgLAAEIHEiwoMGBAQEAOw==";

const COMPOSED: &str = "document.querySelectorAll('.composer .thumbnail img').length";

/// Opens the site with a mock engine, and loads a model that sees or does not.
fn open_with(session: &Session, server: &Server, can_see: bool) -> Page {
    let page = open(session, server);
    page.evaluate(FILES).unwrap();
    page.evaluate(&format!("window.canSee = {can_see}")).unwrap();
    page.click("[data-testid=model-offer] button").unwrap();
    wait(&page, "document.querySelector('.model-button[data-state=ready]')");
    page
}

fn wait_for_toast(page: &Page, text: &str) {
    wait(page, &format!("document.querySelector('.toast')?.innerText.includes({text:?})"));
}

#[test]
fn images_are_attached_in_every_way_and_seen() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open_with(&session, &server, true);

    // Dropped, pasted, and chosen; in every kind that is decoded. The message may have no text.
    page.evaluate("drawn(6, 4, 'image/png').then(bytes => drop('a.png', bytes))").unwrap();
    wait(&page, &format!("{COMPOSED} === 1"));
    let paste = "drawn(6, 4, 'image/webp').then(bytes => {
        const event = new ClipboardEvent('paste', { clipboardData: transfer('b.webp', bytes), bubbles: true, cancelable: true });
        document.querySelector('#message').dispatchEvent(event);
    })";
    page.evaluate(paste).unwrap();
    wait(&page, &format!("{COMPOSED} === 2"));
    let choose = format!(
        "(() => {{
            const field = document.querySelector('#attach-file');
            field.files = transfer('c.avif', base64('{AVIF}')).files;
            field.dispatchEvent(new Event('change', {{ bubbles: true }}));
        }})()"
    );
    page.evaluate(&choose).unwrap();
    wait(&page, &format!("{COMPOSED} === 3"));
    page.evaluate(&format!("drop('d.gif', base64('{GIF}'))")).unwrap();
    wait(&page, &format!("{COMPOSED} === 4"));
    let first_frame = "stored('.composer .thumbnail:last-child img').then(bytes => corner(bytes, false))";
    assert_eq!(page.evaluate(first_frame).unwrap(), json!([0, 2, 4]));
    page.click(".send").unwrap();
    assert_eq!(answer(&page).unwrap(), "Answer 1: 6 by 4 6 by 4 6 by 4 6 by 4");
    assert_eq!(page.evaluate(COMPOSED).unwrap(), 0, "they have been sent");
    let alts =
        page.evaluate("[...document.querySelectorAll('.bubble .thumbnail img')].map(image => image.alt)").unwrap();
    assert_eq!(alts, json!(["a.png", "b.webp", "c.avif", "d.gif"]));
    // The next question has them, too, and the title is theirs.
    ask(&page, "And now?").unwrap();
    assert_eq!(answer(&page).unwrap(), "Answer 2: And now?");
    let parts = "asked.findLast(request => request.type === 'api').body.messages[0].content.map(part => part.type)";
    assert_eq!(page.evaluate(parts).unwrap(), json!(["image_url", "image_url", "image_url", "image_url", "text"]));
    wait(&page, "document.querySelector('.conversation')?.innerText === 'a.png'");

    // While a model looks at them, that is said, and can be stopped.
    ask(&page, "Please stare").unwrap();
    wait(&page, "/Looking at the images… .?30.?%/.test(document.querySelector('.waiting')?.innerText)");
    page.click("[data-testid=stop]").unwrap();
    wait(&page, "!document.querySelector('.waiting')");
    assert_eq!(page.evaluate("asked.some(request => request.type === 'interrupt')").unwrap(), true);

    // In full, with its description, which screen readers read. Escape closes it.
    page.click(".bubble .thumbnail button").unwrap();
    wait(&page, "document.querySelector('dialog[open] .full-image img')?.alt === 'a.png'");
    page.press("Escape").unwrap();
    wait(&page, "!document.querySelector('dialog[open]')");

    // The composer's can be described and removed.
    new_chat(&page).unwrap();
    page.evaluate("drawn(8, 8, 'image/png').then(bytes => drop('e.png', bytes))").unwrap();
    wait(&page, &format!("{COMPOSED} === 1"));
    page.click(".composer .thumbnail button").unwrap();
    wait(&page, "document.querySelector('[data-testid=image-description]')");
    page.fill("[data-testid=image-description]", "A red and a blue field").unwrap();
    page.press("Enter").unwrap();
    wait(&page, "document.querySelector('.composer .thumbnail img').alt === 'A red and a blue field'");
    assert_eq!(page.evaluate("document.querySelectorAll('.message').length").unwrap(), 0, "nothing was sent");
    page.click(".composer .thumbnail .icon-button").unwrap();
    wait(&page, &format!("{COMPOSED} === 0"));
    // Text that comes with an image, as from a table, is pasted as text.
    let both = "drawn(6, 4, 'image/png').then(bytes => {
        const data = transfer('cells.png', bytes);
        data.setData('text/plain', 'cells');
        const event = new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true });
        return document.querySelector('#message').dispatchEvent(event);
    })";
    assert_eq!(page.evaluate(both).unwrap(), true, "the browser pastes the text");
    assert_eq!(page.evaluate(COMPOSED).unwrap(), 0);
}

/// Imports an export with one chat, and opens the chat, whose first image is the upright photo.
fn import_photo(page: &Page, export: &str) {
    let file = std::env::temp_dir().join(format!("parlance-images-{}.json", std::process::id()));
    std::fs::write(&file, export).unwrap();
    page.follow("settings").unwrap();
    wait(page, "document.querySelector('#import-conversations')");
    page.choose_file("#import-conversations", &file).unwrap();
    wait_for_toast(page, "1 chat imported");
    std::fs::remove_file(&file).unwrap();
    page.follow("./").unwrap();
    wait(page, "document.querySelector('.conversation')");
    page.evaluate("document.querySelector('.conversation').click()").unwrap();
    wait(page, "document.querySelector('.bubble .thumbnail img')?.naturalHeight === 40");
}

#[test]
fn photos_are_turned_scaled_and_stripped_and_kept_with_the_chat() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open_with(&session, &server, true);
    // From the camera, which a phone offers for this field.
    let taken = "photo(40, 20).then(bytes => {
        const camera = document.querySelector('.camera input');
        camera.files = transfer('photo.jpg', bytes).files;
        camera.dispatchEvent(new Event('change', { bubbles: true }));
        return [camera.getAttribute('capture'), camera.accept];
    })";
    assert_eq!(page.evaluate(taken).unwrap(), json!(["environment", "image/*"]));
    wait(&page, &format!("{COMPOSED} === 1"));
    // Upright, what was on the left is on top. Nothing of the metadata is stored.
    let stored = page
        .evaluate(
            "stored('.composer .thumbnail img').then(async (bytes) => {
                const text = String.fromCharCode(...bytes);
                return [await corner(bytes, false), await corner(bytes, true), text.includes('Exif'), text.includes('PLACE')];
            })",
        )
        .unwrap();
    assert_eq!(stored, json!([[4, 1, 0], [0, 1, 4], false, false]));
    ask(&page, "What is it?").unwrap();
    assert_eq!(answer(&page).unwrap(), "Answer 1: What is it? 20 by 40");

    // A large one is scaled, and that is said.
    page.evaluate("photo(4096, 1024).then(bytes => drop('wide.jpg', bytes))").unwrap();
    wait_for_toast(&page, "wide.jpg was scaled from 1024 × 4096 to 512 × 2048 pixels");
    ask(&page, "And this?").unwrap();
    assert_eq!(answer(&page).unwrap(), "Answer 2: And this? 512 by 2048");

    // Edits and other versions keep the images; so does another visit.
    page.evaluate("document.querySelector('.message[data-role=user] [aria-label=\"Edit\"]').click()").unwrap();
    wait(&page, "document.querySelector('.edit-box textarea')");
    page.fill(".edit-box textarea", "Which colours?").unwrap();
    page.click(".edit-box button[type=submit]").unwrap();
    assert_eq!(answer(&page).unwrap(), "Answer 3: Which colours? 20 by 40");
    page.follow("storage").unwrap();
    wait(&page, "document.querySelector('[data-testid=images-stored]')?.innerText.startsWith('2 images in chats')");

    // They are exported and imported with the chat.
    page.follow("settings").unwrap();
    page.evaluate("URL.createObjectURL = blob => { window.saved = blob.text(); return 'blob:x'; }").unwrap();
    session.expect_in_console("Not allowed to load local resource: blob:x");
    page.evaluate(
        "[...document.querySelectorAll('[data-testid=data] button')].find(button => button.innerText === 'Export all as JSON').click()",
    )
    .unwrap();
    wait(&page, "window.saved");
    let saved = page.evaluate("window.saved").unwrap();
    let saved = saved.as_str().unwrap();
    assert!(!saved.contains("SECRET") && !saved.contains("Exif"));
    let export: Value = serde_json::from_str(saved).unwrap();
    assert_eq!(export["images"].as_object().unwrap().len(), 2);
    page.close().unwrap();

    let other = Session::start(true).unwrap();
    let page = open(&other, &server);
    import_photo(&page, saved);

    // With all chats, all images go.
    page.follow("settings").unwrap();
    wait(&page, "document.querySelector('[data-testid=data] .danger')");
    page.click("[data-testid=data] .danger").unwrap();
    page.click("[data-testid=delete-all]").unwrap();
    wait_for_toast(&page, "All chats deleted");
    page.follow("storage").unwrap();
    wait(&page, "document.querySelector('[data-testid=storage]')");
    assert_eq!(page.text("[data-testid=images-stored]").unwrap(), "");

    // A file that somebody else made may have metadata. It is drawn anew, too.
    page.evaluate(FILES).unwrap();
    let made = page.evaluate(
        "photo(40, 20).then(async (bytes) => {
            const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
            return [[...digest].map(byte => byte.toString(16).padStart(2, '0')).join(''), btoa(String.fromCharCode(...bytes))];
        })",
    );
    let made = made.unwrap();
    let (digest, data) = (made[0].as_str().unwrap(), made[1].as_str().unwrap());
    let messages = export["conversations"][0]["messages"].as_array().unwrap();
    let shown = messages.iter().find(|message| message["content"] == "Which colours?").unwrap();
    let old = shown["images"][0]["digest"].as_str().unwrap();
    let mut foreign = export.clone();
    foreign["images"] = json!({ digest: format!("data:image/jpeg;base64,{data}") });
    import_photo(&page, &foreign.to_string().replace(old, digest));
    let stored = "stored('.bubble .thumbnail img').then(bytes => String.fromCharCode(...bytes).includes('Exif'))";
    assert_eq!(page.evaluate(stored).unwrap(), false);
}

#[test]
fn pages_of_a_pdf_without_text_are_images() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open_with(&session, &server, true);
    page.evaluate("window.scanned = 'q 200 0 0 10 0 0 cm /I Do Q'").unwrap();
    page.evaluate("window.written = 'BT /F 9 Tf 9 3 Td (This page has more than enough text on it.) Tj ET'").unwrap();
    page.evaluate("drop('scan.pdf', pdf(scanned, scanned))").unwrap();
    wait(&page, &format!("{COMPOSED} === 2"));
    let drawn = "stored('.composer .thumbnail img').then(async (bytes) => [await corner(bytes, false), await corner(bytes, true)])";
    assert_eq!(page.evaluate(drawn).unwrap(), json!([[4, 0, 0], [0, 0, 4]]));
    ask(&page, "What is it?").unwrap();
    assert_eq!(answer(&page).unwrap(), "Answer 1: What is it? 1600 by 80 1600 by 80");
    let alts =
        page.evaluate("[...document.querySelectorAll('.bubble .thumbnail img')].map(image => image.alt)").unwrap();
    assert_eq!(alts, json!(["scan.pdf, page 1", "scan.pdf, page 2"]));

    // Pages with text are text; what is left out gets a sentence.
    page.evaluate("drop('mixed.pdf', pdf(written, scanned))").unwrap();
    wait(
        &page,
        &format!(
            "{COMPOSED} === 1 && document.querySelector('.composer .attachment')?.innerText.includes('mixed.pdf')"
        ),
    );
    page.evaluate("drop('book.pdf', pdf(...Array(17).fill(scanned)))").unwrap();
    wait_for_toast(&page, "Only the first 16 pages of book.pdf without text were attached");
    assert_eq!(page.evaluate(COMPOSED).unwrap(), 17);
    page.evaluate("drop('paper.pdf', pdf(written))").unwrap();
    wait(&page, "document.querySelectorAll('.composer .attachment').length === 2");
    page.evaluate("drop('bad.pdf', pdf(scanned).slice(0, 60))").unwrap();
    wait_for_toast(&page, "bad.pdf is damaged");
    assert_eq!(page.evaluate(COMPOSED).unwrap(), 17);
}

#[test]
fn images_that_cannot_be_decoded_are_refused_with_a_sentence() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open_with(&session, &server, true);
    page.fill("#message", "What is it?").unwrap();
    for (file, refusal) in [
        ("claiming(30000, 30000)", "bad.png is too large: images may have up to 100 million pixels"),
        ("claiming(4294967295, 4294967295)", "bad.png is too large"),
        ("claiming(0, 4)", "bad.png is damaged or incomplete"),
        ("drawn(300, 300, 'image/jpeg').then(bytes => bytes.slice(0, 12))", "bad.png is damaged or incomplete"),
        ("new Uint8Array([...base64('UklGRjwAAABXRUJQVlA4IDAAAAAQ')])", "bad.png is damaged or incomplete"),
        ("new Uint8Array(68e6).fill(0xff).fill(0xd8, 1, 2)", "bad.png is too large"),
    ] {
        page.evaluate("document.querySelector('.toast .icon-button')?.click()").unwrap();
        wait(&page, "!document.querySelector('.toast')");
        page.evaluate(&format!("Promise.resolve({file}).then(bytes => drop('bad.png', bytes))")).unwrap();
        wait_for_toast(&page, refusal);
    }
    assert_eq!(page.evaluate(COMPOSED).unwrap(), 0);
    // SVG is a text, and stays one.
    page.evaluate("drop('drawing.svg', '<svg xmlns=\"http://www.w3.org/2000/svg\"><script>hacked = 1</script></svg>')")
        .unwrap();
    wait(&page, "document.querySelector('.composer .attachment')?.innerText.includes('drawing.svg')");
    // The text of the message is still there, and is answered.
    page.click(".send").unwrap();
    assert!(answer(&page).unwrap().ends_with("What is it?"));
    assert_eq!(page.evaluate("window.hacked ?? 0").unwrap(), 0);
    record_failure(
        "Input",
        "an attached image is cut off, or claims 30,000 × 30,000 pixels",
        "it is not decoded; a sentence says why; the message stays",
    );
}

#[test]
fn a_model_that_cannot_see_is_named_before_sending() {
    let server = Server::start().unwrap();
    let session = Session::start(true).unwrap();
    let page = open_with(&session, &server, false);
    page.fill("#message", "What is it?").unwrap();
    page.evaluate("drawn(6, 4, 'image/png').then(bytes => drop('a.png', bytes))").unwrap();
    let notice = "document.querySelector('[data-testid=blind-model]')?.innerText";
    wait(&page, &format!("{notice}?.includes('scripted cannot see images')"));
    wait(&page, &format!("{notice}?.includes('sees images')"));
    assert_eq!(page.evaluate("document.querySelector('.send').disabled").unwrap(), true);
    // Without the image, the question can be sent.
    page.click(".composer .thumbnail .icon-button").unwrap();
    wait(&page, &format!("!{notice}"));
    page.click(".send").unwrap();
    assert_eq!(answer(&page).unwrap(), "Answer 1: What is it?");

    // Images of earlier messages are named to a model that does not see them.
    page.evaluate("window.canSee = true").unwrap();
    page.evaluate("document.querySelector('.model-button').click()").unwrap();
    wait(&page, "document.querySelector('dialog[open]')");
    page.evaluate("[...document.querySelectorAll('dialog[open] section button')].find(button => button.innerText === 'Load').click()")
        .unwrap();
    wait(&page, "document.querySelector('.model-button[data-state=ready]') && !document.querySelector('dialog[open]')");
    page.evaluate("drawn(6, 4, 'image/png').then(bytes => drop('a.png', bytes))").unwrap();
    wait(&page, &format!("{COMPOSED} === 1"));
    ask(&page, "And this?").unwrap();
    assert_eq!(answer(&page).unwrap(), "Answer 2: And this? 6 by 4");
    page.evaluate("window.canSee = false").unwrap();
    page.evaluate("document.querySelector('.model-button').click()").unwrap();
    wait(&page, "document.querySelector('dialog[open]')");
    page.evaluate("[...document.querySelectorAll('dialog[open] section button')].find(button => button.innerText === 'Load').click()")
        .unwrap();
    wait(&page, "document.querySelector('.model-button[data-state=ready]') && !document.querySelector('dialog[open]')");
    ask(&page, "Thanks").unwrap();
    answer(&page).unwrap();
    let sent = page
        .evaluate("asked.findLast(request => request.type === 'api').body.messages.map(message => message.content)");
    let sent = sent.unwrap().to_string();
    assert!(sent.contains("[Image “a.png”]") && !sent.contains("blob:"), "{sent}");
}
