//! Which files of a crate use which: imports and other paths lead to the files that define what they name, through
//! re-exports and globs.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Module, Path};

/// What files use of each other: for a file and another, the paths in the former that lead to the latter.
pub(crate) type Edges = BTreeMap<(String, String), BTreeSet<String>>;

/// What the files of a crate use of each other.
///
/// `mod name;` uses nothing, and neither does a re-export, unless its file has the name elsewhere, too. A method needs no
/// path: a file may add some to another's type.
pub(crate) fn edges(modules: &[Module]) -> Edges {
    let mut edges = Edges::new();
    for (index, module) in modules.iter().enumerate() {
        let own = module.imports.iter().filter(|import| !import.is_exported && import.name.is_some());
        let words = module.words.iter().map(|word| vec![word.clone()]);
        let paths = own.map(|import| import.path.clone()).chain(module.paths.iter().cloned()).chain(words);
        for path in paths {
            for target in (Resolver { modules, followed: Vec::new() }).resolve(index, &path) {
                // What is used of a module, the paths that begin with its name say.
                if let Target::Item(file) = target
                    && file != module.file
                {
                    edges.entry((module.file.clone(), file)).or_default().insert(path.join("::"));
                }
            }
        }
    }
    edges
}

/// What a path leads to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    /// An item in this file.
    Item(String),
    /// The module of this index.
    Module(usize),
}

/// Follows a path.
struct Resolver<'m> {
    modules: &'m [Module],
    /// The names that are being followed, each in a module, and `None` for its globs: imports may go round in a circle.
    followed: Vec<(usize, Option<String>)>,
}

impl Resolver<'_> {
    /// What a path in a module leads to: nothing if it is another crate's, and several targets where only one of several
    /// modules is compiled.
    fn resolve(&mut self, module: usize, path: &[String]) -> BTreeSet<Target> {
        let [first, rest @ ..] = path else { return BTreeSet::new() };
        match first.as_str() {
            "crate" => self.descend(0, rest),
            "self" => self.descend(module, rest),
            "super" => match self.modules[module].parent {
                Some(parent) if rest.first().is_some_and(|next| next == "super") => self.resolve(parent, rest),
                Some(parent) => self.descend(parent, rest),
                None => BTreeSet::new(),
            },
            first if self.has(module, first) => self.descend(module, path),
            _ => self.through_globs(module, path),
        }
    }

    /// Whether a module has this name, globs aside.
    fn has(&self, module: usize, name: &str) -> bool {
        let Module { children, items, imports, .. } = &self.modules[module];
        items.contains(name)
            || children.iter().any(|(child, _)| child == name)
            || imports.iter().any(|import| import.name.as_deref() == Some(name))
    }

    /// What a path leads to whose first name is one of this module.
    fn descend(&mut self, index: usize, path: &[String]) -> BTreeSet<Target> {
        let [name, rest @ ..] = path else { return BTreeSet::from([Target::Module(index)]) };
        let modules = self.modules;
        let module = &modules[index];
        let children = module.children.iter().filter(|(child, _)| child == name);
        let mut targets: BTreeSet<Target> = children.flat_map(|(_, child)| self.descend(*child, rest)).collect();
        if !targets.is_empty() && !rest.is_empty() {
            return targets;
        }
        if module.items.contains(name) {
            targets.insert(Target::Item(module.file.clone()));
        } else if self.has(index, name) {
            targets.extend(self.through_imports(index, name, rest));
        } else {
            targets.extend(self.through_globs(index, path));
            if targets.is_empty() {
                // A macro may define it.
                targets.insert(Target::Item(module.file.clone()));
            }
        }
        targets
    }

    /// What a name leads to that a module imports, with what follows it.
    fn through_imports(&mut self, module: usize, name: &str, rest: &[String]) -> BTreeSet<Target> {
        let imports = self.modules[module].imports.iter().filter(|import| import.name.as_deref() == Some(name));
        let paths: Vec<Path> = imports.map(|import| [import.path.as_slice(), rest].concat()).collect();
        self.follow((module, Some(name.to_owned())), |resolver| {
            paths.iter().flat_map(|path| resolver.resolve(module, path)).collect()
        })
    }

    /// What a path leads to if its first name comes from one of a module's globs.
    fn through_globs(&mut self, module: usize, path: &[String]) -> BTreeSet<Target> {
        let globs = self.modules[module].imports.iter().filter(|import| import.name.is_none());
        let globs: Vec<Path> = globs.map(|glob| glob.path.clone()).collect();
        self.follow((module, None), |resolver| {
            let sources: Vec<Target> = globs.iter().flat_map(|glob| resolver.resolve(module, glob)).collect();
            let found = sources.into_iter().flat_map(|source| match source {
                Target::Module(source) if path.first().is_some_and(|name| resolver.has(source, name)) => {
                    resolver.descend(source, path)
                }
                Target::Module(source) => resolver.through_globs(source, path),
                // The variants of an enum.
                Target::Item(file) => BTreeSet::from([Target::Item(file)]),
            });
            found.collect()
        })
    }

    /// Follows a name, unless that is being done already.
    fn follow(
        &mut self,
        name: (usize, Option<String>),
        follow: impl FnOnce(&mut Self) -> BTreeSet<Target>,
    ) -> BTreeSet<Target> {
        if self.followed.contains(&name) {
            return BTreeSet::new();
        }
        self.followed.push(name);
        let targets = follow(self);
        self.followed.pop();
        targets
    }
}
