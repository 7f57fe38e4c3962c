//! Keys that share their limits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::slow_start::{Ramp, SlowStart};

/// Stands for every class of models: a spend limit knows none.
pub(crate) const EVERY_CLASS: &str = "";

/// So many classes are remembered for each group; the API has about a dozen (2026-10), and models that are not known are a class each.
const MAX_CLASSES: usize = 64;

/// So many requests may wait for their turn in one slow start.
pub(super) const MAX_WAITING: u64 = 10_000;

/// The limits that some keys share.
pub(crate) struct Group {
    pub(crate) name: Arc<str>,
    classes: Mutex<Vec<Class>>,
}

/// What is known of the limits for one class of models.
struct Class {
    name: Box<str>,
    /// Until when they are used up.
    until: Option<Instant>,
    /// Of what would have gone to other groups.
    diverted: Option<Ramp>,
    /// Of its own, after a pause.
    returning: Option<Ramp>,
}

/// Whose turn it is.
pub(crate) enum Turn {
    /// This one's, now.
    Now,
    /// It would be this one's then.
    At(Instant),
    /// Too many wait already.
    Never,
}

impl Group {
    pub(crate) fn new(name: Arc<str>) -> Self {
        Self { name, classes: Mutex::default() }
    }

    /// Until when its limits for this class are used up.
    pub(crate) fn cools_until(&self, class: &str, now: Instant) -> Option<Instant> {
        let mut classes = self.classes();
        let (mut until, mut has_ended) = (None, false);
        for of in classes.iter_mut().filter(|of| *of.name == *class || *of.name == *EVERY_CLASS) {
            match of.until {
                Some(cools) if cools > now => until = until.max(Some(cools)),
                Some(_) => {
                    of.until = None;
                    has_ended = true;
                }
                None => {}
            }
        }
        if has_ended {
            find(&mut classes, class).returning = Some(Ramp::new(now));
        }
        until
    }

    /// Its limits for this class are used up until then; whether that is news.
    pub(crate) fn cool(&self, class: &str, until: Instant, now: Instant) -> bool {
        let mut classes = self.classes();
        let of = find(&mut classes, class);
        let is_news = of.until.is_none_or(|until| until <= now);
        of.until = of.until.max(Some(until));
        of.returning = None;
        is_news
    }

    /// Whether another request of this class may leave, which is diverted to this group or comes back to it; counts it if it
    /// may, or if `waits`.
    pub(crate) fn turn(
        &self,
        class: &str,
        is_diverted: bool,
        waits: bool,
        slow: &SlowStart,
        now: Instant,
    ) -> Turn {
        let mut classes = self.classes();
        let of = find(&mut classes, class);
        let ramp = if is_diverted {
            of.diverted.take_if(|ramp| ramp.is_forgotten(slow, now));
            of.diverted.get_or_insert_with(|| Ramp::new(now))
        } else {
            of.returning.take_if(|ramp| ramp.is_over(slow, now));
            let Some(ramp) = &mut of.returning else {
                return Turn::Now;
            };
            ramp
        };
        let next = ramp.next(slow);
        if next <= now || ramp.is_over(slow, now) {
            ramp.admit(now);
            return Turn::Now;
        }
        if !waits {
            return Turn::At(next);
        }
        if ramp.waiting(slow, now) >= MAX_WAITING {
            return Turn::Never;
        }
        ramp.admit(now);
        Turn::At(next)
    }

    /// One that was counted has left without its turn.
    pub(crate) fn give_back(&self, class: &str, is_diverted: bool) {
        let mut classes = self.classes();
        let of = find(&mut classes, class);
        let ramp = if is_diverted { &mut of.diverted } else { &mut of.returning };
        if let Some(ramp) = ramp {
            ramp.give_back();
        }
    }

    /// The classes whose limits are used up, and until when.
    pub(crate) fn cooling(&self, now: Instant) -> Vec<(Box<str>, Instant)> {
        let classes = self.classes();
        let cooling = |of: &Class| Some((of.name.clone(), of.until.filter(|until| *until > now)?));
        classes.iter().filter_map(cooling).collect()
    }

    fn classes(&self) -> MutexGuard<'_, Vec<Class>> {
        self.classes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The class of this name. When there are too many, the one whose pause ends first is forgotten.
fn find<'a>(classes: &'a mut Vec<Class>, name: &str) -> &'a mut Class {
    if let Some(at) = classes.iter().position(|of| *of.name == *name) {
        return &mut classes[at];
    }
    if classes.len() >= MAX_CLASSES
        && let Some((at, _)) = classes.iter().enumerate().min_by_key(|(_, of)| of.until)
    {
        classes.swap_remove(at);
    }
    classes.push(Class { name: name.into(), until: None, diverted: None, returning: None });
    let last = classes.len() - 1;
    &mut classes[last]
}
