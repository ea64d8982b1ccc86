//! Chromium's dialect of matrix units. The kernels are written in naga's WGSL (`wgpu_cooperative_matrix`), which wgpu passes
//! on to browsers unchanged, but Chromium has an extension of its own (`chromium_experimental_subgroup_matrix`, see Dawn's
//! `docs/tint/extensions/subgroup_matrix.md`). It has the same operations under other names, except that its matrices are
//! loaded from arrays of single elements, where naga takes arrays of vectors. WGSL cannot use memory as both, so the
//! translation stores vectors element by element, through functions.

use std::fmt::Write as _;

/// Directives of the dialect. Offsets differ from subgroup to subgroup, which is allowed, but Chromium's analysis of uniform
/// values cannot see that no subgroup is divided.
const DIRECTIVES: &str = "enable subgroups;
enable chromium_experimental_subgroup_matrix;
diagnostic(off, chromium.subgroup_matrix_uniformity);
diagnostic(off, subgroup_uniformity);
";

/// The directive that kernels for matrix units have.
const DIRECTIVE: &str = "enable wgpu_cooperative_matrix;\n";

/// Names of types.
const TYPES: [(&str, &str); 3] = [
    ("coop_mat16x16<f16, A>", "subgroup_matrix_left<f16, 16, 16>"),
    ("coop_mat16x16<f16, B>", "subgroup_matrix_right<f16, 16, 16>"),
    ("coop_mat16x16<f32, C>", "subgroup_matrix_result<f32, 16, 16>"),
];

/// Elements of a vector.
const VECTOR_LEN: u32 = 4;

/// Expanded WGSL in Chromium's dialect; `None` if the kernel does not use matrix units.
pub fn in_chromium(text: &str) -> Option<String> {
    let (before, after) = text.split_once(DIRECTIVE)?;
    let mut text = format!("{before}{DIRECTIVES}{after}");
    for (from, to) in TYPES {
        text = text.replace(from, to);
    }
    text = text.replace("coopMultiplyAdd(", "subgroupMatrixMultiplyAccumulate(");
    let tiles = Tile::of(&text);
    for tile in &tiles {
        text = tile.with_functions(&text);
    }
    for (name, is_column_major) in [("coopLoadT<", false), ("coopLoad<", true)] {
        text = replace_calls(&text, name, |rest| load(rest, &tiles, is_column_major));
    }
    for (name, is_column_major) in [("coopStoreT(", false), ("coopStore(", true)] {
        text = replace_calls(&text, name, |rest| store(rest, &tiles, is_column_major));
    }
    Some(text)
}

/// Workgroup memory that matrices are loaded from or stored to.
struct Tile {
    name: String,
    /// Type of the elements.
    scalar: String,
    /// Expression: how many elements or vectors it has.
    len: String,
    is_of_vectors: bool,
}

impl Tile {
    /// All that the text declares.
    fn of(text: &str) -> Vec<Self> {
        let declared = text.lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("var<workgroup> ")?.split_once(": array<")?;
            let used = [format!("(&{name}["), format!(", &{name}[")];
            let is_tile = used.iter().any(|used| text.contains(used.as_str()));
            let (element, len) = rest.strip_suffix(">;")?.rsplit_once(", ")?;
            let (scalar, is_of_vectors) =
                element.strip_prefix("vec4<").map_or((element, false), |rest| (rest.trim_end_matches('>'), true));
            let (name, scalar, len) = (name.to_owned(), scalar.to_owned(), len.to_owned());
            is_tile.then_some(Self { name, scalar, len, is_of_vectors })
        });
        declared.collect()
    }

    /// The offset of an element in Chromium's array.
    fn offset(&self, index: &str) -> String {
        if self.is_of_vectors { format!("{VECTOR_LEN}u * ({index})") } else { index.to_owned() }
    }

    /// The text with this tile as an array of elements, and functions that read and write vectors.
    fn with_functions(&self, text: &str) -> String {
        if !self.is_of_vectors {
            return text.to_owned();
        }
        let Self { name, scalar, len, .. } = self;
        let vector = format!("vec4<{scalar}>");
        let declaration = format!("var<workgroup> {name}: array<{vector}, {len}>;\n");
        let mut functions = format!("var<workgroup> {name}: array<{scalar}, {VECTOR_LEN}u * ({len})>;\n");
        let elements: Vec<String> = (0..VECTOR_LEN).map(|i| format!("{name}[at + {i}u]")).collect();
        let _ = writeln!(
            functions,
            "fn {name}_at(index: u32) -> {vector} {{ let at = {VECTOR_LEN}u * index; return {vector}({}); }}",
            elements.join(", "),
        );
        let _ = write!(functions, "fn {name}_put(index: u32, value: {vector}) {{ let at = {VECTOR_LEN}u * index;");
        for (element, part) in elements.iter().zip(["x", "y", "z", "w"]) {
            let _ = write!(functions, " {element} = value.{part};");
        }
        functions.push_str(" }\n");
        let (before, after) = text.split_once(&declaration).unwrap_or((text, ""));
        let mut result = format!("{before}{functions}");
        for line in after.lines() {
            result.push_str(&self.with_calls(line));
            result.push('\n');
        }
        result
    }

    /// A line whose accesses to vectors are calls of the functions.
    fn with_calls(&self, line: &str) -> String {
        let name = &self.name;
        let start = line.len() - line.trim_start().len();
        let statement = &line[start..];
        if let Some((index, rest)) =
            statement.strip_prefix(&format!("{name}[")).and_then(|rest| split_at_end(rest, ']'))
        {
            let value = rest.trim_end_matches(';');
            if let Some(value) = value.strip_prefix(" = ") {
                return format!("{}{name}_put({index}, {value});", &line[..start]);
            }
            if let Some(factor) = value.strip_prefix(" *= ") {
                return format!("{}{name}_put({index}, {name}_at({index}) * {factor});", &line[..start]);
            }
        }
        let (mut own, mut rest) = (String::new(), line);
        while let Some((before, after)) = rest.split_once(&format!("{name}[")) {
            // Part of a longer name, or the address of a matrix.
            let is_other = before.ends_with(|last: char| last.is_alphanumeric() || last == '_' || last == '&');
            if let Some((index, after)) = split_at_end(after, ']').filter(|_| !is_other) {
                let _ = write!(own, "{before}{name}_at({index})");
                rest = after;
            } else {
                let _ = write!(own, "{before}{name}[");
                rest = after;
            }
        }
        own + rest
    }
}

/// `Matrix>(&tile[index], stride)` as a load, and the text after it.
fn load<'a>(text: &'a str, tiles: &[Tile], is_column_major: bool) -> Option<(String, &'a str)> {
    let (matrix, rest) = text.split_once(">(&")?;
    let (arguments, rest) = split_at_end(rest, ')')?;
    let (name, offset, stride) = address(arguments, tiles)?;
    Some((format!("subgroupMatrixLoad<{matrix}>(&{name}, {offset}, {is_column_major}, {stride})"), rest))
}

/// `matrix, &tile[index], stride)` as a store, and the text after it.
fn store<'a>(text: &'a str, tiles: &[Tile], is_column_major: bool) -> Option<(String, &'a str)> {
    let (arguments, rest) = split_at_end(text, ')')?;
    let (matrix, arguments) = arguments.split_once(", &")?;
    let (name, offset, stride) = address(arguments, tiles)?;
    Some((format!("subgroupMatrixStore(&{name}, {offset}, {matrix}, {is_column_major}, {stride})"), rest))
}

/// Tile, offset and stride of `tile[index], stride`.
fn address(arguments: &str, tiles: &[Tile]) -> Option<(String, String, String)> {
    let (name, rest) = arguments.split_once('[')?;
    let tile = tiles.iter().find(|tile| tile.name == name)?;
    let (index, rest) = split_at_end(rest, ']')?;
    let stride = rest.strip_prefix(", ")?;
    Some((name.to_owned(), tile.offset(index), tile.offset(stride)))
}

/// Replaces calls that begin with `name`: `translate` gets the text after it, and returns the call and the text after that.
fn replace_calls<'a>(text: &'a str, name: &str, translate: impl Fn(&'a str) -> Option<(String, &'a str)>) -> String {
    let (mut result, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once(name) {
        result.push_str(before);
        let (call, after) = translate(after).unwrap_or_else(|| (name.to_owned(), after));
        result.push_str(&call);
        rest = after;
    }
    result + rest
}

/// Splits at the bracket that closes what was open before the text; it is in neither part.
fn split_at_end(text: &str, close: char) -> Option<(&str, &str)> {
    let mut depth = 0;
    for (at, own) in text.char_indices() {
        match own {
            '(' | '[' => depth += 1,
            ')' | ']' if depth == 0 => return (own == close).then(|| (&text[..at], &text[at + 1..])),
            ')' | ']' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_are_loaded_from_single_elements() {
        let text = "enable f16;
enable wgpu_cooperative_matrix;
const N: u32 = 2u;
var<workgroup> tile: array<vec4<f16>, N * 16u>;
var<workgroup> own_tile: array<vec4<f16>, 8u>;
var<workgroup> sums: array<f32, 256>;
fn main() {
    tile[i + row[2]] = own_tile[i];
    tile[i] *= factor;
    let value = tile[i + 1u] + tile[0];
    let a = coopLoadT<coop_mat16x16<f16, A>>(&tile[first(i) * 2u], 4u);
    let c = coopMultiplyAdd(a, coopLoad<coop_mat16x16<f16, B>>(&tile[0], N + 1u), zero);
    coopStore(c, &sums[0], 16u);
}
";
        let expected = "enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
diagnostic(off, chromium.subgroup_matrix_uniformity);
diagnostic(off, subgroup_uniformity);
const N: u32 = 2u;
var<workgroup> tile: array<f16, 4u * (N * 16u)>;
fn tile_at(index: u32) -> vec4<f16> { let at = 4u * index; return vec4<f16>(tile[at + 0u], tile[at + 1u], tile[at + 2u], tile[at + 3u]); }
fn tile_put(index: u32, value: vec4<f16>) { let at = 4u * index; tile[at + 0u] = value.x; tile[at + 1u] = value.y; tile[at + 2u] = value.z; tile[at + 3u] = value.w; }
var<workgroup> own_tile: array<vec4<f16>, 8u>;
var<workgroup> sums: array<f32, 256>;
fn main() {
    tile_put(i + row[2], own_tile[i]);
    tile_put(i, tile_at(i) * factor);
    let value = tile_at(i + 1u) + tile_at(0);
    let a = subgroupMatrixLoad<subgroup_matrix_left<f16, 16, 16>>(&tile, 4u * (first(i) * 2u), false, 4u * (4u));
    let c = subgroupMatrixMultiplyAccumulate(a, subgroupMatrixLoad<subgroup_matrix_right<f16, 16, 16>>(&tile, 4u * (0), true, 4u * (N + 1u)), zero);
    subgroupMatrixStore(&sums, 0, c, true, 16u);
}
";
        assert_eq!(in_chromium(text).as_deref(), Some(expected));
        assert_eq!(in_chromium("enable f16;\n"), None);
    }
}
