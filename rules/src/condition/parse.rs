//! From a text to a checked condition or number.

use cel::parser::Parser;

use super::check::{Scope, Typed};
use super::node::{Number, Whose};
use super::{Condition, Leaf};

/// Longest expression, in bytes: what is longer is a mistake.
const LONGEST: usize = 4096;

/// How deep an expression may be nested: the parser goes down once for each level.
const DEEPEST: usize = 24;

/// The parser also goes down once for each link of a chain, as of `1 + 1 + 1`: enough for the longest.
const STACK: usize = 256 << 20;

/// Parses and checks a condition.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn compile(text: &str, scope: &Scope<'_>) -> Result<Condition, String> {
    match expression(text, scope)? {
        Typed::Test(test) => {
            let mut looks_back = false;
            test.leaves(&mut |leaf| looks_back |= matches!(leaf, Leaf::Field(place) if place.whose != Whose::Event));
            Ok(Condition { test, looks_back })
        }
        other => Err(format!("a condition is true or false, but this is {}: compare it with something", other.what())),
    }
}

/// Parses and checks an expression for a number.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn compile_number(text: &str, scope: &Scope<'_>) -> Result<Number, String> {
    match expression(text, scope)? {
        Typed::Number(number) => Ok(number),
        other => Err(format!("a number is needed, but this is {}", other.what())),
    }
}

fn expression(text: &str, scope: &Scope<'_>) -> Result<Typed, String> {
    if text.len() > LONGEST {
        return Err(format!("an expression has at most {LONGEST} bytes: make two of it"));
    }
    if text.trim().is_empty() {
        return Err("the expression is empty; write true if everything fits".to_owned());
    }
    if depth(text) > DEEPEST {
        return Err(format!("it is nested more than {DEEPEST} deep: make it simpler"));
    }
    std::thread::scope(|threads| {
        let builder = std::thread::Builder::new().stack_size(STACK);
        let reading = builder.spawn_scoped(threads, || read(text, scope)).map_err(|error| error.to_string())?;
        reading.join().unwrap_or_else(|_| Err("it cannot be read: make it simpler".to_owned()))
    })
}

fn read(text: &str, scope: &Scope<'_>) -> Result<Typed, String> {
    let parsed = Parser::new().max_recursion_depth(64).parse(text).map_err(|errors| {
        let first = errors.errors.first();
        let said = first.map_or("it cannot be read", |error| error.msg.lines().next().unwrap_or_default());
        let column = first.map_or(0, |error| error.pos.1);
        format!("not an expression, at letter {column}: {said}{}", habit(text))
    })?;
    scope.check(&parsed.expr)
}

/// What somebody used to other languages may have meant.
fn habit(text: &str) -> &'static str {
    // Without the texts in quotes.
    let text: String = text.split(['\'', '"']).step_by(2).collect();
    let compares = text.replace("==", "").replace("!=", "").replace("<=", "").replace(">=", "");
    let mut words = text.split_whitespace();
    if compares.contains('=') {
        "; == compares"
    } else if words.any(|word| ["and", "or", "not", "AND", "OR", "NOT"].contains(&word)) {
        "; && is and, || is or, ! is not"
    } else {
        ""
    }
}

/// How deep the expression can be nested, at most: brackets, signs before a value, and choices within one another.
fn depth(text: &str) -> usize {
    let (mut open, mut signs, mut choices, mut deepest) = (0_usize, 0_usize, 0_usize, 0_usize);
    for letter in text.chars() {
        match letter {
            '(' | '[' | '{' => open += 1,
            ')' | ']' | '}' => open = open.saturating_sub(1),
            '!' | '-' => signs += 1,
            '?' => choices += 1,
            letter if letter.is_whitespace() => {}
            _ => signs = 0,
        }
        deepest = deepest.max(open + signs + choices);
    }
    deepest
}
