//! Whose turn it is when several answers are computed together. It decides only; whoever computes tells it how long that
//! took.

/// What is computed next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// A piece of the prompt of this caller.
    Read(usize),
    /// A token of each answer that has begun.
    Step,
}

/// Divides time between callers who wait for their prompts to be read, and those whose answers have begun.
///
/// Prompts are read in pieces, those of several callers in turn. After a piece come as many steps as take the same time, and
/// at least one: so answers keep half of their speed, however long another's prompt is, and prompts are read at half of
/// theirs.
#[derive(Debug, Default)]
pub struct Schedule {
    /// Seconds that prompts have had and answers have not.
    owed_seconds: f64,
    /// The caller whose prompt was read last.
    last_reader: Option<usize>,
}

impl Schedule {
    /// The next turn; `None` if there is nothing to do. `readers` are the callers with prompts to read, by increasing
    /// number; `writes` says whether any answer has begun.
    pub fn next(&mut self, readers: &[usize], writes: bool) -> Option<Turn> {
        if readers.is_empty() || !writes {
            // Nobody makes another wait.
            self.owed_seconds = 0.0;
        }
        if writes && (readers.is_empty() || self.owed_seconds > 0.0) {
            return Some(Turn::Step);
        }
        let after = readers.iter().find(|reader| self.last_reader.is_some_and(|last| **reader > last));
        let reader = *after.or(readers.first())?;
        self.last_reader = Some(reader);
        Some(Turn::Read(reader))
    }

    /// Notes how long a turn took.
    pub fn note(&mut self, turn: Turn, seconds: f64) {
        match turn {
            // At least one step follows, even if the clock does not show that it took any time.
            Turn::Read(_) => self.owed_seconds += seconds.max(f64::MIN_POSITIVE),
            Turn::Step => self.owed_seconds = (self.owed_seconds - seconds).max(0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The turns of a while, in which a piece takes three seconds and a step one.
    fn turns(schedule: &mut Schedule, readers: &[usize], writes: bool, count: usize) -> Vec<Turn> {
        let turn = |_| {
            let turn = schedule.next(readers, writes)?;
            schedule.note(turn, if turn == Turn::Step { 1.0 } else { 3.0 });
            Some(turn)
        };
        (0..count).map_while(turn).collect()
    }

    #[test]
    fn answers_get_as_much_time_as_prompts() {
        use Turn::{Read, Step};
        let mut schedule = Schedule::default();
        assert!(turns(&mut schedule, &[], false, 1).is_empty());
        assert_eq!(turns(&mut schedule, &[4], true, 8), [Read(4), Step, Step, Step, Read(4), Step, Step, Step]);
        // A step that took longer than a piece is not paid back by two pieces at once.
        schedule.note(Step, 100.0);
        assert_eq!(turns(&mut schedule, &[4], true, 2), [Read(4), Step]);
    }

    #[test]
    fn prompts_take_turns() {
        use Turn::{Read, Step};
        let mut schedule = Schedule::default();
        assert_eq!(turns(&mut schedule, &[1, 2, 5], false, 5), [Read(1), Read(2), Read(5), Read(1), Read(2)]);
        // One of them has been read, and another one has come.
        assert_eq!(turns(&mut schedule, &[0, 1, 5], false, 3), [Read(5), Read(0), Read(1)]);
        assert_eq!(turns(&mut schedule, &[], true, 2), [Step, Step]);
    }

    #[test]
    fn a_step_follows_each_piece_even_if_no_time_passes() {
        let mut schedule = Schedule::default();
        for _ in 0..3 {
            assert_eq!(schedule.next(&[0], true), Some(Turn::Read(0)));
            schedule.note(Turn::Read(0), 0.0);
            assert_eq!(schedule.next(&[0], true), Some(Turn::Step));
            schedule.note(Turn::Step, 0.001);
        }
    }
}
