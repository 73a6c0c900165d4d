//! The words of the journals.

use std::sync::LazyLock;

use crate::random::Random;

/// The number of different words, about as many as a person knows.
const VOCABULARY: f64 = 20_000.0;

/// Adds a word. The frequency of a word is inversely proportional to its rank (Zipf's law), which determines the cost
/// of a full-text index. Words beyond the list are two words of the list joined.
pub fn push(text: &mut String, random: &mut Random) {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the vocabulary")]
    let rank = VOCABULARY.powf(random.share()) as usize - 1;
    if let Some(prefix) = (rank / WORDS.len()).checked_sub(1) {
        text.push_str(WORDS[prefix]);
    }
    text.push_str(WORDS[rank % WORDS.len()]);
}

/// Words of running text, the most common first.
static WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("words.txt").split_whitespace().collect());

/// The names of the tags of every author.
pub const TAGS: &[&str] = &["dreams", "family", "garden", "gratitude", "health", "ideas", "travel", "work"];
