// Installs the package in projects made of the snippets in the docs, and builds them with the bundlers:
//
//   node projects.mjs PACKAGE_FOLDER OTHER_ORIGIN
//
// OTHER_ORIGIN serves the package's files below /package/. What is built is in `projects/NAME/dist`.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "vite";
import webpack from "webpack";

import { checkDevServer } from "./dev-server.mjs";
import { forTests, snippetsOf } from "./snippets.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const DOCS = resolve(HERE, "../../docs");
const PROJECTS = join(HERE, "projects");
const MODELS = {
  chat: "/models/SmolLM2-135M-Instruct.Q4_1.gguf", embedding: "/tiny/bert-mean.gguf", ranker: "/tiny/bert-rank.gguf", speech: "/tiny/whisper.gguf",
};

const [packageFolder, otherOrigin] = process.argv.slice(2);
const replacements = { models: MODELS, cdn: `${otherOrigin}/package/` };

/** Writes a project's files, and returns its folder. */
function project(name, files) {
  const folder = join(PROJECTS, name);
  for (const { file, text } of [{ file: "package.json", text: '{ "type": "module" }' }, ...files]) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), forTests(text, replacements));
  }
  return folder;
}

/** The docs' snippets below a heading. */
const ofSection = (title) => snippetsOf(join(DOCS, "package.md")).filter(({ section }) => section === title);

/** Packs the package and installs it, as a developer does, where all projects find it. */
function install() {
  rmSync(PROJECTS, { recursive: true, force: true });
  mkdirSync(PROJECTS);
  writeFileSync(join(PROJECTS, "package.json"), '{ "private": true, "workspaces": ["*"] }');
  const npm = (...args) => execFileSync("npm", args, { cwd: PROJECTS, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  const archive = npm("pack", "--silent", "--ignore-scripts", resolve(packageFolder)).trim();
  npm("install", "--silent", "--offline", "--no-package-lock", "--ignore-scripts", `./${archive}`);
}

/** On a server, importing the package does nothing. */
function importOnServer() {
  const imports = ["", "/language-model", "/mcp", "/service-worker"].map((name) => `await import("@parlance-chat/engine${name}");`);
  const output = execFileSync("node", ["--input-type=module", "--eval", imports.join("\n")], { cwd: PROJECTS, encoding: "utf8" });
  if (output !== "") throw new Error(`importing the package says ${output}`);
}

/** A page whose script is at the root of the site. */
const page = (script, attributes) => `<!doctype html><meta charset="utf-8" /><body><script ${attributes} src="${script}"></script></body>`;

/** Without minifying, which takes time and makes failures hard to read. */
const buildWithVite = (root) => build({ root, logLevel: "warn", build: { minify: false, reportCompressedSize: false, chunkSizeWarningLimit: 5000 } });

async function buildWithWebpack(root) {
  const { default: config } = await import(join(root, "webpack.config.js"));
  const stats = await new Promise((done, fail) => {
    webpack({ ...config, context: root, output: { path: join(root, "dist") } }, (error, result) => (error ? fail(error) : done(result)));
  });
  if (stats.hasErrors()) throw new Error(stats.toString("errors-only"));
  writeFileSync(join(root, "dist/index.html"), page("main.js", "defer"));
}

function buildWithEsbuild(root) {
  execFileSync("node", ["build.js"], { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  writeFileSync(join(root, "dist/index.html"), page("main.js", 'type="module"'));
}

install();
importOnServer();
mkdirSync(join(project("html", []), "dist"));
project("html", ofSection("Plain HTML").map(({ file, text }) => ({ file: `dist/${file}`, text })));
const vite = project("vite", ofSection("Vite"));
const react = project("react", ofSection("React"));
const withWebpack = project("webpack", ofSection("webpack"));
const withEsbuild = project("esbuild", ofSection("esbuild"));
// All others run in one page.
const starts = ["Plain HTML", "Vite", "React", "webpack", "esbuild"];
const pages = ["../README.md", "api.md", "package.md", "transformers.md", "webllm.md", "wllama.md"];
const others = pages.flatMap((name) => snippetsOf(join(DOCS, name))).filter(({ section }) => !starts.includes(section));
const snippets = project("snippets", [...others, { file: "index.html", text: page("/main.js", 'type="module"') }]);
cpSync(join(HERE, "browser"), snippets, { recursive: true });
writeFileSync(join(snippets, "models.json"), JSON.stringify(MODELS));

buildWithEsbuild(withEsbuild);
await Promise.all([vite, react, snippets].map(buildWithVite));
await buildWithWebpack(withWebpack);
// A service worker is a file of its own.
await build({
  root: snippets, logLevel: "warn",
  build: { emptyOutDir: false, rollupOptions: { input: join(snippets, "service-worker.js"), output: { entryFileNames: "[name].js", format: "es" } } },
});
await checkDevServer(vite);
