//! An index of passages, which are searched by words (BM25), by embeddings, or by both.

use std::collections::HashMap;

use bm25::{Embedder, EmbedderBuilder, Tokenizer};

/// Of each ranking, so many passages are fused.
const DEPTH: usize = 100;
/// How much less the first ranks count than their reciprocals would say; the value of Cormack, Clarke and Büttcher, who
/// proposed reciprocal rank fusion.
const FUSION: f32 = 60.0;

/// Passages by their words. Built once, it is searched without looking at the passages again.
pub struct Words {
    embedder: Embedder<u64, WordTokenizer>,
    /// By the hash of a word: the passages that have it, each with the word's weight there.
    postings: HashMap<u64, Vec<(u32, f32)>>,
    passages: usize,
}

impl Words {
    /// Reads all passages.
    pub fn new<T: AsRef<str>>(passages: &[T]) -> Self {
        let texts: Vec<&str> = passages.iter().map(AsRef::as_ref).collect();
        // Words are compared by their hashes. 32-bit hashes of numbers often collide.
        let embedder: Embedder<u64, WordTokenizer> =
            EmbedderBuilder::with_tokenizer_and_fit_to_corpus(WordTokenizer, &texts).build();
        let mut postings: HashMap<u64, Vec<(u32, f32)>> = HashMap::new();
        for (passage, text) in texts.iter().enumerate() {
            let passage = passage as u32;
            for word in embedder.embed(text).iter() {
                let places = postings.entry(word.index).or_default();
                // A word that a passage has several times has the same weight each time.
                if places.last().is_none_or(|(last, _)| *last != passage) {
                    places.push((passage, word.value));
                }
            }
        }
        Self { embedder, postings, passages: texts.len() }
    }

    /// The BM25 score of each passage.
    pub fn scores(&self, question: &str) -> Vec<f32> {
        let mut scores = vec![0.0; self.passages];
        for word in self.embedder.embed(question).iter() {
            let Some(places) = self.postings.get(&word.index) else { continue };
            let (all, with_word) = (self.passages as f32, places.len() as f32);
            let rarity = (1.0 + (all - with_word + 0.5) / (with_word + 0.5)).ln();
            for (passage, weight) in places {
                scores[*passage as usize] += rarity * weight;
            }
        }
        scores
    }
}

/// Passages by words, and by vectors as far as there are any.
pub struct Index {
    words: Words,
    /// Of length 1, by passage.
    vectors: Vec<Option<Box<[f32]>>>,
}

impl Index {
    /// Reads all passages. They have no vectors yet.
    pub fn new<T: AsRef<str>>(passages: &[T]) -> Self {
        Self { words: Words::new(passages), vectors: vec![None; passages.len()] }
    }

    /// Sets the vector of a passage.
    pub fn set_vector(&mut self, passage: usize, vector: &[f32]) {
        let length = dot(vector, vector).sqrt();
        if let Some(place) = self.vectors.get_mut(passage) {
            *place = (length > 0.0).then(|| vector.iter().map(|value| value / length).collect());
        }
    }

    /// The passages that match a question best, best first: by words, and if its vector is given by that, too.
    pub fn search(&self, question: &str, vector: Option<&[f32]>, count: usize) -> Vec<usize> {
        let mut rankings = vec![ranked(&self.words.scores(question), DEPTH.max(count))];
        rankings.extend(vector.map(|vector| self.by_vector(vector, DEPTH.max(count))));
        fuse(&rankings, count)
    }

    /// The passages whose vectors are most similar to this one, best first.
    pub fn by_vector(&self, vector: &[f32], count: usize) -> Vec<usize> {
        ranked(&self.similarities(vector), count)
    }

    /// How similar the vector of each passage is to this one; 0 for those without.
    pub fn similarities(&self, vector: &[f32]) -> Vec<f32> {
        self.vectors.iter().map(|known| known.as_ref().map_or(0.0, |known| dot(known, vector))).collect()
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Indices of the highest scores above 0, highest first; of equal ones, the first.
fn ranked(scores: &[f32], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).filter(|index| scores[*index] > 0.0).collect();
    let by_score = |a: &usize, b: &usize| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b));
    if order.len() > count && count > 0 {
        order.select_nth_unstable_by(count - 1, by_score);
    }
    order.truncate(count);
    order.sort_unstable_by(by_score);
    order
}

/// One ranking of several: each adds the reciprocals of its ranks.
pub fn fuse(rankings: &[Vec<usize>], count: usize) -> Vec<usize> {
    let mut scores: HashMap<usize, f32> = HashMap::new();
    for ranking in rankings {
        for (rank, passage) in ranking.iter().enumerate() {
            *scores.entry(*passage).or_default() += 1.0 / (FUSION + rank as f32 + 1.0);
        }
    }
    let mut fused: Vec<(usize, f32)> = scores.into_iter().collect();
    fused.sort_unstable_by(|(a, score_a), (b, score_b)| score_b.total_cmp(score_a).then(a.cmp(b)));
    fused.into_iter().take(count).map(|(passage, _)| passage).collect()
}

/// Splits a text into words in lower case, and into single characters in scripts without spaces.
struct WordTokenizer;

impl Tokenizer for WordTokenizer {
    fn tokenize(&self, text: &str) -> Vec<String> {
        let is_cjk = |c: char| matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}');
        let mut words = Vec::new();
        for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            if word.chars().any(is_cjk) {
                words.extend(word.chars().map(String::from));
            } else {
                words.push(word.to_owned());
            }
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSAGES: [&str; 4] = [
        "Foxes hunt mice at night.",
        "Bees make honey from nectar, and honey keeps for years.",
        "Whales sing under water.",
        "The night sky over the sea.",
    ];

    #[test]
    fn rare_words_count_most() {
        let words = Words::new(&PASSAGES);
        let scores = words.scores("Which animals hunt at night?");
        assert!(scores[0] > scores[3] && scores[3] > 0.0, "{scores:?}");
        assert!(scores[1].abs() < f32::EPSILON, "{scores:?}");
        // What the formula gives: one passage of four, with ten words, has "honey" twice.
        let total: usize = PASSAGES.iter().map(|text| text.split(' ').count()).sum();
        let (average, len) = (total as f32 / 4.0, 10.0);
        let weight = 2.0 * 2.2 / (2.0 + 1.2 * (0.25 + 0.75 * len / average));
        let expected = (1.0_f32 + 3.5 / 1.5).ln() * weight;
        assert!((words.scores("honey")[1] - expected).abs() < 1e-4, "{expected}");
        assert_eq!(Words::new::<&str>(&[]).scores("honey"), Vec::<f32>::new());
    }

    #[test]
    fn words_and_vectors_are_fused() {
        let mut index = Index::new(&PASSAGES);
        let question = "What do foxes hunt at night?";
        assert_eq!(index.search(question, None, 2), [0, 3]);
        for (passage, vector) in [[1.0, 0.0], [0.0, 2.0], [0.6, 0.8], [0.0, -1.0]].iter().enumerate() {
            index.set_vector(passage, vector);
        }
        assert_eq!(index.by_vector(&[0.1, 1.0], 3), [1, 2, 0]);
        // One that both rankings have comes before those that only one has.
        assert_eq!(index.search(question, Some(&[0.5, 0.5]), 1), [0]);
        assert_eq!(index.search("unknown words", Some(&[0.1, 1.0]), 2), [1, 2]);
        assert!(index.search("unknown words", None, 5).is_empty());
    }

    #[test]
    fn fusion_adds_reciprocal_ranks() {
        assert_eq!(fuse(&[vec![7, 3, 5], vec![3, 9]], 3), [3, 7, 9]);
        assert_eq!(fuse(&[vec![], vec![]], 3), Vec::<usize>::new());
    }

    #[test]
    fn the_best_are_found_among_many() {
        let scores: Vec<f32> = (0..1000).map(|index| (index * 7919 % 1000) as f32).collect();
        let best: Vec<f32> = ranked(&scores, 3).into_iter().map(|index| scores[index]).collect();
        assert_eq!(best, [999.0, 998.0, 997.0]);
        assert!(ranked(&[0.0, 0.0], 3).is_empty());
    }
}
