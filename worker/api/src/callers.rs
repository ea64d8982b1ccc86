//! Requests to one model whose answers are computed together: a step computes a token of each, and prompts are read in
//! pieces between steps. An answer that is alone has the engine's decode loop to itself.

use parlance_engine::runtime::{Choice, Model, Schedule, Turn};
use parlance_protocol::FailureKind;
use parlance_protocol::openai::FinishReason;
use serde_json::Value;
use web_time::Instant;

use crate::codec::ChatCodec;
use crate::control::Control;
use crate::error::RequestError;
use crate::senses::Senses;
use crate::work::Work;

/// The requests under way, in the order in which they came.
pub struct Callers<C> {
    callers: Vec<Caller<C>>,
    schedule: Schedule,
}

/// A request that has ended.
pub struct Ended<C> {
    /// What was computed.
    pub work: Work,
    /// Whom it was computed for.
    pub control: C,
    /// The response, or `None` if it was streamed.
    pub result: Result<Option<Value>, RequestError>,
}

/// A request.
struct Caller<C> {
    work: Work,
    control: C,
    /// Where its answers are.
    stages: Vec<Stage>,
    /// Why it cannot go on.
    error: Option<RequestError>,
    /// The images and sounds of its prompt are encoded.
    has_perceived: bool,
    /// It has lost its device, and goes on with another one.
    is_recovered: bool,
}

/// Where an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It waits for a sequence.
    Waiting,
    /// It has this sequence, which does not hold its prompt yet.
    Seated(usize),
    /// Its prompt is read into this sequence, of so many tokens that were to be computed.
    Reading(usize, usize),
    /// Its tokens are computed in this sequence, together with those of others.
    Writing(usize),
    /// It has ended.
    Ended,
}

impl Stage {
    /// Its sequence, if it has one.
    fn sequence(self) -> Option<usize> {
        match self {
            Self::Waiting | Self::Ended => None,
            Self::Seated(sequence) | Self::Reading(sequence, _) | Self::Writing(sequence) => Some(sequence),
        }
    }
}

/// An answer: the index of its request, and its own in there.
type Place = (usize, usize);

impl<C> Default for Callers<C> {
    fn default() -> Self {
        Self { callers: Vec::new(), schedule: Schedule::default() }
    }
}

impl<C: Control> Caller<C> {
    /// Notes an error that concerns this request alone. One of the device is returned.
    fn note<T>(&mut self, result: Result<T, RequestError>) -> Result<Option<T>, RequestError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind() == FailureKind::Gpu => Err(error),
            Err(error) => {
                self.error.get_or_insert(error);
                self.stages.fill(Stage::Ended);
                Ok(None)
            }
        }
    }

    /// Emits what is due of an answer, and notes if it has ended.
    fn emit(&mut self, index: usize) {
        self.work.emit(index, &self.control);
        if self.work.answer(index).finish.is_some() {
            self.stages[index] = Stage::Ended;
        }
    }

    /// Ends an answer.
    fn end(&mut self, index: usize, reason: FinishReason) {
        self.work.answer_mut(index).end(reason);
        self.emit(index);
    }

    /// Ends the answers of a request that was stopped. Those that had not begun are left out, except the first.
    fn stop(&mut self) {
        for index in 0..self.stages.len() {
            let has_begun = self.stages[index].sequence().is_some();
            if has_begun || index == 0 && self.stages[0] == Stage::Waiting {
                self.end(index, FinishReason::Abort);
            }
            self.stages[index] = Stage::Ended;
        }
    }

    /// Whether an earlier answer to the same prompt has yet to read it; then it can be copied.
    fn waits_for_prompt(&self, index: usize) -> bool {
        (0..index).any(|other| {
            matches!(self.stages[other], Stage::Waiting | Stage::Seated(_) | Stage::Reading(..))
                && self.work.answer(other).shares_prompt(self.work.answer(index))
        })
    }
}

impl<C: Control> Callers<C> {
    /// Adds a request. If its prompt has images or sounds, [`Callers::perceive`] comes before the next turn.
    pub fn add(&mut self, work: Work, control: C) {
        let stages = vec![Stage::Waiting; work.len()];
        self.callers.push(Caller { work, control, stages, error: None, has_perceived: false, is_recovered: false });
    }

    /// Those for whom requests are computed.
    pub fn controls(&self) -> impl Iterator<Item = &C> {
        self.callers.iter().map(|caller| &caller.control)
    }

    /// Encodes the images and sounds of requests that came since the last call, see
    /// [`Job::perceive`](crate::Job::perceive).
    ///
    /// # Errors
    /// An error of the device, as in [`Callers::turn`].
    pub async fn perceive(&mut self, codec: &ChatCodec, mut senses: Option<&mut Senses>) -> Result<(), RequestError> {
        for caller in self.callers.iter_mut().filter(|caller| !caller.has_perceived) {
            let perceived = caller.work.perceive(codec, senses.as_deref_mut(), &caller.control).await;
            caller.note(perceived)?;
            caller.has_perceived = true;
        }
        Ok(())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.callers.is_empty()
    }

    /// Whether another request would get a sequence at once.
    pub fn has_room(&self, model: &Model) -> bool {
        self.places().count() < model.sequence_count()
    }

    /// Does what comes next, and returns the requests that have ended. An answer that is alone is computed until it has ended
    /// or `others` says that another request came.
    ///
    /// # Errors
    /// An error of the device. Nothing is lost: after [`Callers::recover`], call it again with a new model.
    pub async fn turn(&mut self, model: &mut Model, others: &dyn Fn() -> bool) -> Result<Vec<Ended<C>>, RequestError> {
        for caller in self.callers.iter_mut().filter(|caller| caller.control.is_stopped()) {
            caller.stop();
        }
        self.seat(model);
        match self.alone(model) {
            Some((place, may_leave)) => self.run_alone(place, model, &|| may_leave && others()).await?,
            None => self.run_together(model).await?,
        }
        Ok(self.take_ended())
    }

    /// Prepares for a new model, after `error` of the device. Requests to which that happens for the second time have ended
    /// with it.
    pub fn recover(&mut self, error: &RequestError) -> Vec<Ended<C>> {
        for caller in &mut self.callers {
            if std::mem::replace(&mut caller.is_recovered, true) {
                caller.error = Some(error.clone());
                caller.stages.fill(Stage::Ended);
            }
            caller.stages.iter_mut().filter(|stage| **stage != Stage::Ended).for_each(|stage| *stage = Stage::Waiting);
        }
        self.take_ended()
    }

    /// Ends all requests with an error.
    pub fn fail(&mut self, error: &RequestError) -> Vec<Ended<C>> {
        for caller in &mut self.callers {
            caller.error = Some(error.clone());
            caller.stages.fill(Stage::Ended);
        }
        self.take_ended()
    }

    /// The answers that have not ended.
    fn places(&self) -> impl Iterator<Item = (Place, Stage)> {
        self.callers.iter().enumerate().flat_map(|(caller, own)| {
            let stages = own.stages.iter().copied().enumerate();
            stages.filter(|(_, stage)| *stage != Stage::Ended).map(move |(index, stage)| ((caller, index), stage))
        })
    }

    /// The answer in this sequence.
    fn place_of(&self, sequence: usize) -> Option<Place> {
        self.places().find(|(_, stage)| stage.sequence() == Some(sequence)).map(|(place, _)| place)
    }

    /// Gives free sequences to answers that wait for one, requests in turn.
    fn seat(&mut self, model: &Model) {
        let taken: Vec<usize> = self.places().filter_map(|(_, stage)| stage.sequence()).collect();
        let mut free: Vec<usize> = (0..model.sequence_count()).filter(|sequence| !taken.contains(sequence)).collect();
        while let Some((caller, index)) = self.next_to_seat() {
            let own = &mut self.callers[caller];
            let Some(sequence) = model.best_sequence(own.work.answer(index).text(), &free) else { return };
            free.retain(|other| *other != sequence);
            own.stages[index] = Stage::Seated(sequence);
        }
    }

    /// The answer that gets the next free sequence: one of the request that has fewest.
    fn next_to_seat(&self) -> Option<Place> {
        let waiting = self.places().filter(|((caller, index), stage)| {
            *stage == Stage::Waiting && !self.callers[*caller].waits_for_prompt(*index)
        });
        let seats =
            |caller: usize| self.callers[caller].stages.iter().filter(|stage| stage.sequence().is_some()).count();
        waiting.map(|(place, _)| place).min_by_key(|(caller, _)| seats(*caller))
    }

    /// The only answer that has a sequence and that could be computed now, and whether another request could join it.
    fn alone(&self, model: &Model) -> Option<(Place, bool)> {
        let mut seated = self.places().filter(|(_, stage)| stage.sequence().is_some());
        let (place, _) = seated.next()?;
        // Others of the same request that wait until its prompt is read join it then.
        let is_alone = seated.next().is_none() && (model.sequence_count() == 1 || self.places().count() == 1);
        is_alone.then_some((place, model.sequence_count() > 1))
    }

    async fn run_alone(
        &mut self,
        (caller, index): Place,
        model: &mut Model,
        others: &dyn Fn() -> bool,
    ) -> Result<(), RequestError> {
        let own = &mut self.callers[caller];
        let Some(sequence) = own.stages[index].sequence() else { return Ok(()) };
        model.select(sequence);
        let done = own.work.run_answer(index, model, &own.control, others).await;
        if own.note(done)?.is_some() {
            // If it goes on, its sequence may have seen tokens that were discarded.
            let has_ended = own.work.answer(index).finish.is_some();
            own.stages[index] = if has_ended { Stage::Ended } else { Stage::Seated(sequence) };
        }
        Ok(())
    }

    async fn run_together(&mut self, model: &mut Model) -> Result<(), RequestError> {
        self.begin(model).await?;
        let mut readers = Vec::new();
        let mut writers = Vec::new();
        for (_, stage) in self.places() {
            match stage {
                Stage::Reading(sequence, _) => readers.push(sequence),
                Stage::Writing(sequence) => writers.push(sequence),
                _ => {}
            }
        }
        readers.sort_unstable();
        let Some(turn) = self.schedule.next(&readers, !writers.is_empty()) else { return Ok(()) };
        let start = Instant::now();
        match turn {
            Turn::Read(sequence) => self.read(sequence, model).await?,
            Turn::Step => {
                for sequences in writers.chunks(model.max_joint().max(1)) {
                    self.step(sequences, model).await?;
                }
            }
        }
        self.schedule.note(turn, start.elapsed().as_secs_f64());
        Ok(())
    }

    /// Begins to read the prompts of answers that have got a sequence.
    async fn begin(&mut self, model: &mut Model) -> Result<(), RequestError> {
        let seated: Vec<(Place, Stage)> =
            self.places().filter(|(_, stage)| matches!(stage, Stage::Seated(_))).collect();
        for ((caller, index), stage) in seated {
            let (own, Some(sequence)) = (&mut self.callers[caller], stage.sequence()) else { continue };
            if own.work.answer(index).is_full(model) {
                own.end(index, FinishReason::Length);
                continue;
            }
            model.select(sequence);
            let start = Instant::now();
            let begun = model.begin_prompt(own.work.answer(index).text()).await.map_err(RequestError::from);
            let Some(left) = own.note(begun)? else { continue };
            let answer = own.work.answer_mut(index);
            answer.note_cached(answer.prompt().len().saturating_sub(left + 1));
            answer.note_prefill(start);
            own.stages[index] = Stage::Reading(sequence, left);
            self.note_read((caller, index), left, model)?;
        }
        Ok(())
    }

    /// Reads the next piece of the prompt of the answer in this sequence.
    async fn read(&mut self, sequence: usize, model: &mut Model) -> Result<(), RequestError> {
        let Some((caller, index)) = self.place_of(sequence) else { return Ok(()) };
        let makes_wait = self.places().any(|(_, stage)| matches!(stage, Stage::Writing(_)));
        let own = &mut self.callers[caller];
        model.select(sequence);
        let (start, most) = (Instant::now(), if makes_wait { model.piece_len() } else { usize::MAX });
        let read = model.read_piece(own.work.answer(index).text(), most).await.map_err(RequestError::from);
        let Some(left) = own.note(read)? else { return Ok(()) };
        own.work.answer_mut(index).note_prefill(start);
        self.note_read((caller, index), left, model)
    }

    /// Notes how much of a prompt is left to read. If nothing is, the answer begins, in the model's selected sequence.
    fn note_read(&mut self, (caller, index): Place, left: usize, model: &mut Model) -> Result<(), RequestError> {
        let own = &mut self.callers[caller];
        let Stage::Reading(sequence, total) = own.stages[index] else { return Ok(()) };
        own.work.prefilling(total - left, total, &own.control);
        if left == 0 {
            let joined = own.work.answer(index).join(model);
            if own.note(joined)?.is_some() {
                own.stages[index] = Stage::Writing(sequence);
            }
        }
        Ok(())
    }

    /// Computes a token of the answer in each of these sequences.
    async fn step(&mut self, sequences: &[usize], model: &mut Model) -> Result<(), RequestError> {
        let start = Instant::now();
        let mut places = Vec::with_capacity(sequences.len());
        for sequence in sequences.iter().copied() {
            let Some((caller, index)) = self.place_of(sequence) else { continue };
            let own = &mut self.callers[caller];
            if own.work.answer(index).has_all() || !model.has_room(sequence) {
                own.end(index, FinishReason::Length);
            } else {
                places.push((sequence, (caller, index)));
            }
        }
        if places.is_empty() {
            return Ok(());
        }
        let sequences: Vec<usize> = places.iter().map(|(sequence, _)| *sequence).collect();
        let mut step = model.begin_step(&sequences).await?;
        // The masks are computed while the GPU computes the logits.
        let mut masks = Vec::with_capacity(places.len());
        for (row, (_, (caller, index))) in places.iter().copied().enumerate() {
            let own = &mut self.callers[caller];
            let mask = own.work.answer_mut(index).mask();
            masks.push(own.note(mask)?.flatten());
            if own.work.answer(index).processes() {
                let mut logits = step.logits(row).await?;
                own.work.answer_mut(index).process(&mut logits);
                step.set_logits(row, &logits);
            }
        }
        let choices: Vec<Choice<'_>> = places
            .iter()
            .zip(&masks)
            .map(|((_, (caller, index)), mask)| Choice {
                allowed: mask.as_ref().map(llguidance::toktrie::SimpleVob::as_slice),
                wants_logits: self.callers[*caller].work.answer(*index).wants_logits(),
            })
            .collect();
        let chosen = step.choose(&choices).await?;
        let seconds = start.elapsed().as_secs_f64();
        for ((_, (caller, index)), token) in places.into_iter().zip(chosen) {
            let own = &mut self.callers[caller];
            // Another answer of the request may just have failed.
            if own.stages[index] == Stage::Ended {
                continue;
            }
            let taken = own.work.answer_mut(index).take_joint(token, seconds);
            if own.note(taken)?.is_some() {
                own.emit(index);
            }
        }
        Ok(())
    }

    /// Takes out the requests that have ended.
    fn take_ended(&mut self) -> Vec<Ended<C>> {
        let has_ended = |caller: &mut Caller<C>| caller.stages.iter().all(|stage| *stage == Stage::Ended);
        let ended = self.callers.extract_if(.., has_ended).map(|caller| {
            let Caller { mut work, control, error, .. } = caller;
            let result = match error {
                Some(error) => Err(error),
                None => Ok(work.end(&control)),
            };
            Ended { work, control, result }
        });
        ended.collect()
    }
}
