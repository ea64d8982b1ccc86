//! Keeps a template's values shallow. Everything in minijinja 3.1.0 that traverses a value is recursive, even dropping
//! it, and stacks are short: a value that a loop nests a few thousand levels deep would crash the process, or the
//! worker.

use std::sync::LazyLock;

use minijinja::value::{DynObject, ObjectRepr, Rest, Tuple, ValueOrKwargs};
use minijinja::{Error, ErrorKind, State, Value};

/// Maximum depth of a value that gets a name. Messages and tools have about a dozen levels.
const MAX_DEPTH: usize = 64;
/// Maximum number of arguments of `map`, which limits how often it can call itself.
const MAX_MAP_ARGUMENTS: usize = 8;
/// Largest number in a `range`, far beyond its maximum length.
const MAX_RANGE: usize = 1 << 24;

/// Type name of the groups that `groupby` returns.
const GROUP: &str = "::GroupTuple";
/// Objects of minijinja's own types that contain only what they enumerate: groups and macros.
const TRANSPARENT: [&str; 2] = [GROUP, "::Macro"];

/// The type name of maps.
static MAP: LazyLock<&str> = LazyLock::new(|| Value::from_pairs([(0, 0)]).as_object().map_or("", DynObject::type_name));

/// The filter that is applied to every value before it gets a name, see [`super::source`]: fails if the value is nested
/// too deeply. Lazy values (slices, sums of lists, results of `reverse`) are evaluated, because they would hold on to
/// what they are computed from. A namespace stays as it is; inside other values it becomes a map, so that no value can
/// contain itself.
pub(super) fn settle(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    match value.as_object() {
        Some(object) if !is_namespace(object) => Walk { state, nodes: 0 }.settled(&value, 0),
        _ => Ok(value),
    }
}

/// The same for a value that becomes part of a namespace: if it contained itself, printing it would never end.
pub(super) fn settle_within(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    Walk { state, nodes: 0 }.settled(&value, 0)
}

/// minijinja's `namespace`, with the filter applied to its initial values.
pub(super) fn namespace(state: &State<'_, '_>, defaults: Option<ValueOrKwargs>) -> Result<Value, Error> {
    let defaults = defaults.map(|defaults| settle(state, defaults.into_value())).transpose()?;
    minijinja::functions::namespace(defaults.map(ValueOrKwargs::from))
}

/// minijinja's `map`, with a limit: `'a'|map('map', 'map', …)` would call itself once per argument.
pub(super) fn map(
    state: &mut State<'_, '_>,
    value: Value,
    arguments: Rest<ValueOrKwargs>,
) -> Result<Vec<Value>, Error> {
    if arguments.len() > MAX_MAP_ARGUMENTS {
        return Err(Error::from(ErrorKind::TooManyArguments));
    }
    minijinja::filters::map(state, value, arguments)
}

/// minijinja's `format`, which formats as C's `printf` does, with a limit on keys.
pub(super) fn format(state: &mut State<'_, '_>, value: &Value, arguments: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    check_format_keys(value, "%(")?;
    minijinja::filters::format(state, value, arguments)
}

/// Fails if a string to be formatted may have keys that are not ASCII, on which minijinja 3.1.0 panics.
pub(super) fn check_format_keys(value: &Value, opening: &str) -> Result<(), Error> {
    match value.as_str() {
        Some(text) if !text.is_ascii() && text.contains(opening) => {
            Err(Error::new(ErrorKind::InvalidOperation, "keys in a format string have to be ASCII"))
        }
        _ => Ok(()),
    }
}

/// minijinja's `range`, with a limit, because its arithmetic overflows.
pub(super) fn range(lower: isize, upper: Option<isize>, step: Option<isize>) -> Result<Value, Error> {
    if [Some(lower), upper, step].into_iter().flatten().any(|number| number.unsigned_abs() > MAX_RANGE) {
        return Err(Error::new(ErrorKind::InvalidOperation, "the range is too large"));
    }
    minijinja::functions::range(lower, upper, step)
}

fn is_namespace(object: &DynObject) -> bool {
    object.type_name().ends_with("::Namespace")
}

/// Whether the object contains only what it enumerates.
fn is_transparent(object: &DynObject) -> bool {
    let name = object.type_name();
    object.downcast_ref::<Vec<Value>>().is_some()
        || object.downcast_ref::<Tuple>().is_some()
        || name == *MAP
        || TRANSPARENT.iter().any(|ending| name.ends_with(ending))
}

/// A traversal of a value, which consumes fuel.
struct Walk<'s, 'template, 'env> {
    state: &'s State<'template, 'env>,
    nodes: u64,
}

impl Walk<'_, '_, '_> {
    /// The value itself if it is plain, otherwise a plain copy.
    fn settled(&mut self, value: &Value, depth: usize) -> Result<Value, Error> {
        if self.is_plain(value, depth)? { Ok(value.clone()) } else { self.copied(value, depth) }
    }

    fn is_plain(&mut self, value: &Value, depth: usize) -> Result<bool, Error> {
        let Some(object) = self.enter(value, depth)? else { return Ok(true) };
        if !is_transparent(object) {
            return Ok(object.repr() == ObjectRepr::Plain);
        }
        if object.repr() == ObjectRepr::Map {
            for (key, value) in object.try_iter_pairs().into_iter().flatten() {
                if !self.is_plain(&key, depth + 1)? || !self.is_plain(&value, depth + 1)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        let is_group = object.type_name().ends_with(GROUP);
        for item in object.try_iter().into_iter().flatten() {
            let members = item.as_object().filter(|members| is_group && members.repr() == ObjectRepr::Iterable);
            let is_plain = match members {
                // A group creates the list of its members anew on each access.
                Some(members) => self.are_plain(members, depth + 2)?,
                None => self.is_plain(&item, depth + 1)?,
            };
            if !is_plain {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn are_plain(&mut self, items: &DynObject, depth: usize) -> Result<bool, Error> {
        for item in items.try_iter().into_iter().flatten() {
            if !self.is_plain(&item, depth)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn copied(&mut self, value: &Value, depth: usize) -> Result<Value, Error> {
        let Some(object) = self.enter(value, depth)? else { return Ok(value.clone()) };
        if object.repr() == ObjectRepr::Map {
            let mut pairs = Vec::new();
            for (key, value) in object.try_iter_pairs().into_iter().flatten() {
                pairs.push((self.settled(&key, depth + 1)?, self.settled(&value, depth + 1)?));
            }
            return Ok(Value::from_pairs(pairs));
        }
        let mut items = Vec::new();
        for item in object.try_iter().into_iter().flatten() {
            items.push(self.settled(&item, depth + 1)?);
        }
        Ok(match object.repr() {
            // Templates can distinguish it from a list.
            ObjectRepr::Iterable => Value::make_object_iterable(items, |items| Box::new(items.iter().cloned())),
            _ if object.downcast_ref::<Tuple>().is_some() => Value::from(Tuple::from(items)),
            _ => Value::from(items),
        })
    }

    /// The value's object, if it is one.
    fn enter<'v>(&mut self, value: &'v Value, depth: usize) -> Result<Option<&'v DynObject>, Error> {
        self.nodes += 1;
        if self.nodes.is_multiple_of(2) {
            // As much as minijinja charges for an element of a list.
            self.state.consume_fuel(1)?;
        }
        let object = value.as_object();
        if object.is_some() && depth >= MAX_DEPTH {
            // Endless nesting is treated like an endless loop.
            let detail = format!("a value is nested more than {MAX_DEPTH} levels deep");
            return Err(Error::new(ErrorKind::OutOfFuel, detail));
        }
        Ok(object)
    }
}
