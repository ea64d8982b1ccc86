//! Source code as tokens that patterns can match.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// A token, or a group of them in brackets.
#[derive(Debug)]
pub(crate) enum Token {
    Word(String),
    /// A literal, as it is written.
    Literal(String),
    /// `::`
    Separator,
    Mark(char),
    /// What stands in brackets of this kind.
    Group(Delimiter, Vec<Token>),
}

impl Token {
    pub(crate) fn is_word(&self, word: &str) -> bool {
        matches!(self, Self::Word(own) if own == word)
    }
}

/// The tokens of a file or a group. There are no comments among them, and no lifetimes.
pub(crate) fn tokens(stream: TokenStream) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut trees = stream.into_iter().peekable();
    while let Some(tree) = trees.next() {
        tokens.push(match tree {
            TokenTree::Group(group) => Token::Group(group.delimiter(), self::tokens(group.stream())),
            TokenTree::Ident(word) => Token::Word(word.to_string()),
            TokenTree::Literal(literal) => Token::Literal(literal.to_string()),
            TokenTree::Punct(mark) if mark.as_char() == '\'' => {
                // The lifetime's name.
                trees.next();
                continue;
            }
            TokenTree::Punct(mark) => {
                let is_colon = |tree: &TokenTree| matches!(tree, TokenTree::Punct(mark) if mark.as_char() == ':');
                let is_double = mark.as_char() == ':' && mark.spacing() == Spacing::Joint;
                if is_double && trees.next_if(is_colon).is_some() {
                    Token::Separator
                } else {
                    Token::Mark(mark.as_char())
                }
            }
        });
    }
    tokens
}
