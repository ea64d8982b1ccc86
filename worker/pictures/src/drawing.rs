//! Decoding by the browser, in a worker.

use js_sys::{Array, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, BlobPropertyBag, ImageBitmap, ImageEncodeOptions, OffscreenCanvas, OffscreenCanvasRenderingContext2d,
    WorkerGlobalScope,
};

use crate::{Header, Kind, MAX_PIXELS, PictureError, fit};

/// Quality of JPEG and WebP files, from 0 to 1.
const QUALITY: f64 = 0.92;

/// A picture, decoded: upright, on white, without metadata.
pub struct Drawing {
    canvas: OffscreenCanvas,
    context: OffscreenCanvasRenderingContext2d,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Width and height before it was scaled.
    pub original: (u32, u32),
}

/// Decodes a file whose header was read before, and scales it to at most `max_side` pixels a side.
///
/// # Errors
/// [`PictureError::Damaged`] if the browser cannot decode it.
pub async fn draw(bytes: &[u8], header: &Header, max_side: u32) -> Result<Drawing, PictureError> {
    let bitmap = decode(bytes, header.kind).await.map_err(|error| damaged(&error))?;
    let drawing = on_canvas(&bitmap, max_side);
    bitmap.close();
    drawing
}

/// The first frame, turned as its metadata asks.
async fn decode(bytes: &[u8], kind: Kind) -> Result<ImageBitmap, JsValue> {
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    let decoded = scope.create_image_bitmap_with_blob(&blob(bytes, kind.mime())?)?;
    Ok(JsFuture::from(decoded).await?.unchecked_into())
}

fn blob(bytes: &[u8], mime: &str) -> Result<Blob, JsValue> {
    let options = BlobPropertyBag::new();
    options.set_type(mime);
    Blob::new_with_u8_array_sequence_and_options(&Array::of1(&Uint8Array::from(bytes)), &options)
}

fn on_canvas(bitmap: &ImageBitmap, max_side: u32) -> Result<Drawing, PictureError> {
    let original = (bitmap.width(), bitmap.height());
    if u64::from(original.0) * u64::from(original.1) > MAX_PIXELS {
        // Its header had lied.
        return Err(PictureError::TooManyPixels(original.0, original.1));
    }
    let (width, height) = fit(original.0, original.1, max_side);
    let draw = || -> Result<Drawing, JsValue> {
        let canvas = OffscreenCanvas::new(width, height)?;
        let context = canvas.get_context("2d")?.ok_or("this browser offers no canvas")?;
        let context: OffscreenCanvasRenderingContext2d = context.unchecked_into();
        Reflect::set(&context, &"imageSmoothingQuality".into(), &"high".into())?;
        context.set_fill_style_str("#fff");
        let (width_f64, height_f64) = (f64::from(width), f64::from(height));
        context.fill_rect(0.0, 0.0, width_f64, height_f64);
        context.draw_image_with_image_bitmap_and_dw_and_dh(bitmap, 0.0, 0.0, width_f64, height_f64)?;
        Ok(Drawing { canvas, context, width, height, original })
    };
    draw().map_err(|error| damaged(&error))
}

impl Drawing {
    /// Its colours, 8 bits each: `[height][width][3]`.
    ///
    /// # Errors
    /// [`PictureError::Damaged`] if the browser has no memory for them.
    pub fn rgb(&self) -> Result<Vec<u8>, PictureError> {
        let (width, height) = (f64::from(self.width), f64::from(self.height));
        let pixels = self.context.get_image_data(0.0, 0.0, width, height).map_err(|error| damaged(&error))?;
        Ok(pixels.data().0.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect())
    }

    /// A file of this kind, or of another where the browser does not write it, with the kind that it has.
    ///
    /// # Errors
    /// [`PictureError::Damaged`] if the browser writes none.
    pub async fn file(&self, kind: Kind) -> Result<(Vec<u8>, Kind), PictureError> {
        let options = ImageEncodeOptions::new();
        options.set_type(kind.mime());
        options.set_quality(QUALITY);
        let encode = async || -> Result<Vec<u8>, JsValue> {
            let blob: Blob =
                JsFuture::from(self.canvas.convert_to_blob_with_options(&options)?).await?.unchecked_into();
            Ok(Uint8Array::new(&JsFuture::from(blob.array_buffer()).await?).to_vec())
        };
        let bytes = encode().await.map_err(|error| damaged(&error))?;
        let kind = Kind::of(&bytes).ok_or(PictureError::Unknown)?;
        Ok((bytes, kind))
    }
}

/// What the browser says of a picture that it cannot decode.
fn damaged(thrown: &JsValue) -> PictureError {
    let message = Reflect::get(thrown, &"message".into()).ok().and_then(|message| message.as_string());
    let message = message.or_else(|| thrown.as_string()).unwrap_or_else(|| format!("{thrown:?}"));
    PictureError::Damaged(message.trim_end_matches('.').to_owned())
}
