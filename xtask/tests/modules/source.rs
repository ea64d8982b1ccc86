//! The modules of a crate: what each defines, imports and names. Tests are left out.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, TokenStream};

use crate::tokens::{Token, tokens};

/// Words that precede the name of an item.
const KINDS: [&str; 9] = ["const", "enum", "fn", "macro_rules", "static", "struct", "trait", "type", "union"];

/// A path, from its first name to its last.
pub(crate) type Path = Vec<String>;

/// A name that a `use` declares.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Import {
    pub(crate) path: Path,
    /// What it is called here; `None` for everything in a module.
    pub(crate) name: Option<String>,
    /// Whether others may import it from here.
    pub(crate) is_exported: bool,
}

/// A file, or a module in braces.
#[derive(Debug, Default)]
pub(crate) struct Module {
    /// Path of the file, with slashes.
    pub(crate) file: String,
    /// The folder of its children's files.
    folder: String,
    /// Index of the module that declares it.
    pub(crate) parent: Option<usize>,
    /// Names and indices of the modules that it declares. One of several with the same name is compiled.
    pub(crate) children: Vec<(String, usize)>,
    /// What it defines.
    pub(crate) items: BTreeSet<String>,
    pub(crate) imports: Vec<Import>,
    /// Paths of two or more names, outside of imports.
    pub(crate) paths: BTreeSet<Path>,
    /// Other words.
    pub(crate) words: BTreeSet<String>,
}

/// Reads the modules of a crate, the first of which is its root. `read` returns a file's text, or `None` where there is
/// no file.
pub(crate) fn read(root: &str, read: &dyn Fn(&str) -> Option<String>) -> Vec<Module> {
    let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut crate_modules = Reader { read, modules: Vec::new() };
    crate_modules.add_file(root.to_owned(), folder.to_owned(), None);
    crate_modules.modules
}

struct Reader<'r> {
    read: &'r dyn Fn(&str) -> Option<String>,
    modules: Vec<Module>,
}

impl Reader<'_> {
    /// Reads a file, whose modules lie in `folder`. Returns the index of its module.
    ///
    /// # Panics
    /// If it does not exist, or is no source code.
    fn add_file(&mut self, file: String, folder: String, parent: Option<usize>) -> usize {
        let text = (self.read)(&file).unwrap_or_else(|| panic!("{file} does not exist"));
        let stream: TokenStream = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
        let index = self.modules.len();
        self.modules.push(Module { file, folder, parent, ..Module::default() });
        self.take(index, &tokens(stream), true);
        index
    }

    /// Reads the file of `mod name;`, which may lie elsewhere.
    fn add_child(&mut self, parent: usize, name: &str, elsewhere: Option<String>) {
        let Module { file, folder, .. } = &self.modules[parent];
        let own_folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        let beside = format!("{folder}/{name}.rs");
        let (file, folder) = match elsewhere {
            Some(path) => {
                let file = joined(own_folder, &path);
                let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
                (file, folder)
            }
            None if (self.read)(&beside).is_some() => (beside, format!("{folder}/{name}")),
            None => (format!("{folder}/{name}/mod.rs"), format!("{folder}/{name}")),
        };
        let child = self.add_file(file, folder, Some(parent));
        self.modules[parent].children.push((name.to_owned(), child));
    }

    /// Takes up what tokens say about a module. `is_top`: they are not in brackets.
    fn take(&mut self, module: usize, tokens: &[Token], is_top: bool) {
        let (mut rest, mut before) = (tokens, None::<&Token>);
        let (mut is_exported, mut elsewhere) = (false, None);
        while let [first, after @ ..] = rest {
            let was_exported = std::mem::take(&mut is_exported);
            rest = match rest {
                [Token::Mark('#'), Token::Mark('!'), Token::Group(..), after @ ..] => after,
                [Token::Mark('#'), Token::Group(Delimiter::Bracket, attribute), after @ ..] => {
                    if let [Token::Word(name), Token::Mark('='), Token::Literal(path)] = attribute.as_slice()
                        && name == "path"
                    {
                        elsewhere = Some(path.trim_matches('"').to_owned());
                    }
                    self.take(module, attribute, false);
                    if is_for_tests(attribute) { after_item(after, is_top) } else { after }
                }
                [Token::Word(word), Token::Group(Delimiter::Parenthesis, to), after @ ..]
                    if word == "pub" && is_visibility(to) =>
                {
                    is_exported = true;
                    after
                }
                [Token::Word(word), after @ ..] if word == "pub" => {
                    is_exported = true;
                    after
                }
                // `use<'a>` declares what a type captures.
                [Token::Word(word), after @ ..] if word == "use" && !matches!(after, [Token::Mark('<'), ..]) => {
                    let end = after.iter().position(|token| matches!(token, Token::Mark(';')));
                    let (tree, after) = after.split_at(end.unwrap_or(after.len()));
                    add_imports(tree, &[], was_exported, &mut self.modules[module].imports);
                    after
                }
                [Token::Word(word), Token::Word(name), Token::Mark(';'), after @ ..] if word == "mod" => {
                    self.add_child(module, name, elsewhere.take());
                    after
                }
                [Token::Word(word), Token::Word(name), Token::Group(Delimiter::Brace, inner), after @ ..]
                    if word == "mod" =>
                {
                    let Module { file, folder, .. } = &self.modules[module];
                    let (file, folder) = (file.clone(), format!("{folder}/{name}"));
                    let child = self.modules.len();
                    self.modules.push(Module { file, folder, parent: Some(module), ..Module::default() });
                    self.modules[module].children.push((name.clone(), child));
                    self.take(child, inner, true);
                    after
                }
                [Token::Group(_, inner), after @ ..] => {
                    self.take(module, inner, false);
                    after
                }
                [Token::Word(_), ..] => {
                    if is_top {
                        self.modules[module].items.extend(defined(rest).map(str::to_owned));
                    }
                    let (path, after) = path(rest);
                    // The others are fields, methods, or continue a path.
                    let is_whole = !matches!(before, Some(Token::Mark('.') | Token::Separator));
                    if is_whole && path.len() > 1 {
                        self.modules[module].paths.insert(path);
                    } else if is_whole {
                        self.modules[module].words.extend(path);
                    }
                    after
                }
                _ => after,
            };
            before = Some(first);
        }
    }
}

/// The path of a file, from that of the folder in whose terms it is written.
fn joined(folder: &str, path: &str) -> String {
    let mut names: Vec<&str> = folder.split('/').collect();
    for name in path.split('/') {
        if name == ".." {
            names.pop();
        } else {
            names.push(name);
        }
    }
    names.join("/")
}

/// Whether an attribute leaves an item to tests: `test`, `cfg(test)`, `cfg(all(test, …))`, `cfg(doctest)`.
fn is_for_tests(attribute: &[Token]) -> bool {
    let is_test = |token: &Token| token.is_word("test") || token.is_word("doctest");
    match attribute {
        [test] => is_test(test),
        [cfg, Token::Group(_, condition)] if cfg.is_word("cfg") => match condition.as_slice() {
            [test] => is_test(test),
            [all, Token::Group(_, conditions)] => all.is_word("all") && conditions.first().is_some_and(is_test),
            _ => false,
        },
        _ => false,
    }
}

/// What follows the item at the start of some tokens. In brackets it may be a field.
fn after_item(tokens: &[Token], is_top: bool) -> &[Token] {
    let is_import = tokens.iter().take(3).any(|token| token.is_word("use"));
    let is_end = |token: &Token| match token {
        Token::Group(Delimiter::Brace, _) => !is_import,
        Token::Mark(mark) => *mark == ';' || *mark == ',' && !is_top,
        _ => false,
    };
    let end = tokens.iter().position(is_end).map_or(tokens.len(), |end| end + 1);
    &tokens[end..]
}

/// Whether brackets after `pub` say to whom, and are not a type.
fn is_visibility(tokens: &[Token]) -> bool {
    tokens.first().is_some_and(|to| ["crate", "super", "self", "in"].iter().any(|word| to.is_word(word)))
}

/// The item that begins with these tokens.
fn defined(tokens: &[Token]) -> Option<&str> {
    match tokens {
        [Token::Word(kind), Token::Word(name), ..] | [Token::Word(kind), Token::Mark('!'), Token::Word(name), ..]
            if KINDS.contains(&kind.as_str()) =>
        {
            Some(name.as_str())
        }
        _ => None,
    }
}

/// The path at the start of some tokens, and what follows it.
fn path(tokens: &[Token]) -> (Path, &[Token]) {
    let [Token::Word(first), rest @ ..] = tokens else { return (Path::new(), tokens) };
    let (mut path, mut rest) = (vec![first.clone()], rest);
    while let [Token::Separator, Token::Word(name), after @ ..] = rest {
        path.push(name.clone());
        rest = after;
    }
    (path, rest)
}

/// Adds the names of a tree of imports, whose paths continue `prefix`.
fn add_imports(tree: &[Token], prefix: &[String], is_exported: bool, imports: &mut Vec<Import>) {
    for branch in tree.split(|token| matches!(token, Token::Mark(','))) {
        let (own, rest) = path(branch);
        let mut path = [prefix, own.as_slice()].concat();
        let name = match rest {
            [Token::Separator, Token::Group(_, inner)] | [Token::Group(_, inner)] => {
                add_imports(inner, &path, is_exported, imports);
                continue;
            }
            [Token::Separator, Token::Mark('*')] | [Token::Mark('*')] => None,
            // What begins with `::` is another crate's.
            [Token::Separator, ..] => continue,
            [_, Token::Word(name)] => Some(name.clone()),
            _ => path.iter().rfind(|name| *name != "self").cloned(),
        };
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        if !path.is_empty() {
            imports.push(Import { path, name, is_exported });
        }
    }
}
