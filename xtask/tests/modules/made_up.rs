//! The checks find what they should in little crates.

use std::collections::BTreeMap;

use crate::circles::circles;
use crate::imports::edges;
use crate::source;

/// What the files of a crate use of each other, as `from to path`, and its circles. The root is `lib.rs`.
fn check(files: &[(&str, &str)]) -> (Vec<String>, Vec<Vec<String>>) {
    let files: BTreeMap<String, &str> = files.iter().map(|(name, text)| (format!("src/{name}"), *text)).collect();
    let read = |file: &str| files.get(file).map(|text| (*text).to_owned());
    let edges = edges(&source::read("src/lib.rs", &read));
    let short = |file: &str| file.trim_start_matches("src/").to_owned();
    let in_words = edges
        .iter()
        .flat_map(|((from, to), paths)| paths.iter().map(move |path| format!("{} {} {path}", short(from), short(to))));
    (in_words.collect(), circles(&edges))
}

/// What the files of a crate use of each other.
fn uses(files: &[(&str, &str)]) -> Vec<String> {
    check(files).0
}

#[test]
fn declaring_and_re_exporting_modules_uses_nothing() {
    let parent = "mod a; mod b; pub use a::A; pub(crate) use b::B as C;";
    assert_eq!(uses(&[("lib.rs", parent), ("a.rs", "pub struct A;"), ("b.rs", "pub struct B;")]), [""; 0]);
    let using = format!("{parent} struct D(C);");
    let own = [("lib.rs", using.as_str()), ("a.rs", "pub struct A;"), ("b.rs", "pub struct B;")];
    assert_eq!(uses(&own), ["lib.rs b.rs C"], "a file uses what it re-exports if it has the name elsewhere");
}

#[test]
fn every_form_of_import_leads_to_the_file_that_defines_the_name() {
    let lib = "pub mod a; pub mod b; pub use b::c::C as D; pub struct Root;";
    let b = "pub mod c; pub use self::c::{C, f}; pub fn own() {}";
    let c = "pub struct C; pub fn f() {}";
    let with = |a: &str| uses(&[("lib.rs", lib), ("a.rs", a), ("b/mod.rs", b), ("b/c.rs", c)]);
    let cases: [(&str, &[&str]); 16] = [
        ("use super::b::C;", &["a.rs b/c.rs super::b::C"]),
        ("use super::D;", &["a.rs b/c.rs super::D"]),
        (
            "use crate::{b::{own, C as E}, Root};",
            &["a.rs b/c.rs crate::b::C", "a.rs b/mod.rs crate::b::own", "a.rs lib.rs crate::Root"],
        ),
        ("use crate::b::{self, c::{self as d, f}};", &["a.rs b/c.rs crate::b::c::f"]),
        ("use crate::b; fn g() { b::f(); b::own(); }", &["a.rs b/c.rs b::f", "a.rs b/mod.rs b::own"]),
        ("fn g() { super::b::c::f::<u8>(); }", &["a.rs b/c.rs super::b::c::f"]),
        ("fn g() { Vec::<crate::D>::new(); }", &["a.rs b/c.rs crate::D"]),
        ("fn g() { use crate::b::f; }", &["a.rs b/c.rs crate::b::f"]),
        ("use crate::b::*; struct E(C);", &["a.rs b/c.rs C"]),
        ("use crate::b::*; struct C; struct E(C);", &[]),
        ("macro_rules! m { () => { $crate::b::f() } }", &["a.rs b/c.rs crate::b::f"]),
        ("fn g() { view! { <crate::b::C/> } }", &["a.rs b/c.rs crate::b::C"]),
        ("mod inner { use super::super::b::f; }", &["a.rs b/c.rs super::super::b::f"]),
        ("#[cfg(test)] mod tests { use crate::b::f; } fn g() { crate::b::own(); }", &["a.rs b/mod.rs crate::b::own"]),
        ("/// [`crate::b::C`]\nfn g<'b>(b: &'b str) { b.f(\"crate::b::C\"); } // crate::b::C", &[]),
        ("pub(in crate::b) fn g() {} use b::C; use ::b::D; use std::b::C as E;", &[]),
    ];
    for (a, expected) in cases {
        assert_eq!(with(a), expected, "{a}");
    }
}

#[test]
fn one_of_several_modules_of_a_name_is_compiled() {
    let lib = "#[cfg(x)] mod a; #[cfg(not(x))] #[path = \"b/other.rs\"] mod a; mod c;";
    let files = [("a.rs", "pub fn f() {}"), ("b/other.rs", "pub fn f() {}"), ("c.rs", "use super::a::f;")];
    let uses = uses(&[&[("lib.rs", lib)][..], &files[..]].concat());
    assert_eq!(uses, ["c.rs a.rs super::a::f", "c.rs b/other.rs super::a::f"]);
}

#[test]
fn circles_are_found_by_name() {
    let circle = |files: &[(&str, &str)]| check(files).1;
    // Through a re-export of the parent, by an inline path, and between a parent and its child.
    let lib = ("lib.rs", "mod a; mod b; pub use b::B;");
    let found =
        circle(&[lib, ("a.rs", "use super::B; pub fn f() {}"), ("b.rs", "pub struct B; fn g() { crate::a::f() }")]);
    assert_eq!(found, [["src/a.rs uses super::B of src/b.rs", "src/b.rs uses crate::a::f of src/a.rs"]]);
    let found = circle(&[("lib.rs", "mod a; use a::A; struct B;"), ("a.rs", "pub struct A(super::B);")]);
    assert_eq!(found, [["src/a.rs uses super::B of src/lib.rs", "src/lib.rs uses a::A of src/a.rs"]]);
    // Two of them; who merely uses one is in none.
    let three = [
        ("lib.rs", "mod a; mod b; mod c; mod d; mod e; mod f;"),
        ("a.rs", "use crate::b::B; pub struct A;"),
        ("b.rs", "use crate::{c::C, d::D}; pub struct B;"),
        ("c.rs", "use crate::a::A; pub struct C;"),
        ("d.rs", "use crate::e::E; pub struct D;"),
        ("e.rs", "use crate::d::D; pub struct E;"),
        ("f.rs", "use crate::{a::A, e::E};"),
    ];
    let lens: Vec<usize> = circle(&three).iter().map(Vec::len).collect();
    assert_eq!(lens, [3, 2]);
    assert_eq!(circle(&[lib, ("a.rs", "use super::B;"), ("b.rs", "pub struct B;")]), [[""; 0]; 0]);
    // Imports that name each other.
    let names =
        [("lib.rs", "mod a; mod b;"), ("a.rs", "pub use crate::b::X; struct Y(X);"), ("b.rs", "pub use crate::a::X;")];
    assert_eq!(circle(&names), [[""; 0]; 0]);
}
