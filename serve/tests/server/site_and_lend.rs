//! `--site` and `--lend`.

use std::path::PathBuf;

use serde_json::json;

use crate::process::Server;

/// A folder that is removed when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let folder = std::env::temp_dir().join(format!("parlance-{name}-{}", std::process::id()));
        for (file, text) in files {
            let path = folder.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    fn path(&self, file: &str) -> String {
        self.0.join(file).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_site_has_its_headers() {
    let hashed = "parlance-0123456789abcdef_bg.wasm";
    let files = [
        ("index.html", "<title>Home</title>"),
        ("404.html", "<title>App</title>"),
        ("settings/index.html", "<title>Settings</title>"),
        (hashed, "wasm"),
        ("service-worker.js", "// worker"),
    ];
    let folder = Folder::new("site", &files);
    let server = Server::start_tiny(&["--site", folder.0.to_str().unwrap()]);
    let client = &server.client;

    let home = client.get("/");
    assert_eq!((home.status, home.body.as_str()), (200, "<title>Home</title>"));
    for (name, value) in [
        ("content-security-policy", "frame-ancestors 'none'"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-embedder-policy", "require-corp"),
        ("cache-control", "no-cache"),
        ("access-control-allow-origin", ""),
    ] {
        assert_eq!(home.header(name), value, "{name}");
    }
    let module = client.get(&format!("/{hashed}"));
    assert_eq!(module.header("content-type"), "application/wasm");
    assert_eq!(module.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(client.get("/service-worker.js").header("cache-control"), "no-cache");
    assert_eq!(client.get("/settings/").body, "<title>Settings</title>");
    let part = client.with("range", "bytes=1-2").get(&format!("/{hashed}"));
    assert_eq!((part.status, part.body.as_str(), part.header("content-range")), (206, "as", "bytes 1-2/4"));
    let missing = client.get("/missing-0123456789abcdef.js");
    assert_eq!((missing.status, missing.body.as_str()), (404, "<title>App</title>"));
    assert_eq!(missing.header("cache-control"), "no-cache");
    for path in ["/../Cargo.toml", "/..%2f..%2fetc/passwd", "/%2e%2e/x", "//etc/passwd"] {
        let reply = client.get(path);
        assert!([400, 404].contains(&reply.status), "{path}: {reply:?}");
    }
    assert_eq!(client.get("/v1/models").status, 200);
    assert_eq!(client.get("/lend/mcp").status, 404, "it is off by default");
    assert_eq!(client.with("host", "evil.example").get("/").status, 421);
}

#[test]
fn only_the_token_opens_what_is_lent() {
    let echo = json!({ "command": "sh", "args": ["-c", "while read -r line; do echo \"$line\" | sed s/method/result/; done"] });
    let config = json!({ "mcpServers": { "echo": echo } }).to_string();
    let folder = Folder::new("mcp", &[("mcp.json", &config)]);
    let mut server = Server::start_tiny(&["--lend", "--mcp", &folder.path("mcp.json")]);
    let line = server.next_line();
    let token = line.rsplit(' ').next().unwrap();
    assert_eq!(token.len(), 64, "{line}");
    let client = server.client.with("authorization", &format!("Bearer {token}"));

    for other in [server.client.clone(), client.with("authorization", "Bearer wrong")] {
        for reply in [other.get("/lend/mcp"), other.post("/lend/fetch", "{}"), other.post("/lend/mcp/echo", "{}")] {
            assert_eq!((reply.status, reply.code().as_str()), (401, "invalid_api_key"));
        }
    }
    let foreign = client.with("origin", "https://evil.example").get("/lend/mcp");
    assert_eq!((foreign.status, foreign.code().as_str()), (403, "unknown_origin"));

    let own = format!("{}/v1/models", client.url());
    for (url, status, code) in [
        (own.as_str(), 403, "not_public"),
        ("http://169.254.169.254/latest/meta-data/", 403, "not_public"),
        ("file:///etc/passwd", 400, "invalid_value"),
        ("https://user:password@example.org/", 400, "invalid_value"),
    ] {
        let reply = client.post("/lend/fetch", &json!({ "url": url }).to_string());
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{url}: {reply:?}");
    }
    assert_eq!(client.post("/lend/fetch", "{}").status, 400);

    assert_eq!(client.get("/lend/mcp").json(), json!({ "servers": ["echo"] }));
    let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize" });
    let reply = client.post("/lend/mcp/echo", &initialize.to_string());
    assert_eq!(reply.json(), json!({ "jsonrpc": "2.0", "id": 1, "result": "initialize" }));
    let in_session = client.with("mcp-session-id", reply.header("mcp-session-id"));
    let notification = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(in_session.post("/lend/mcp/echo", &notification.to_string()).status, 202);
    assert_eq!(in_session.request("DELETE", "/lend/mcp/echo", b"").status, 204);
    assert_eq!(in_session.post("/lend/mcp/echo", &notification.to_string()).status, 404);
    assert_eq!(client.post("/lend/mcp/other", &initialize.to_string()).status, 404);
}
