//! How one answer is delivered.

use bytes::Bytes;
use claude_wire::BoxError;
use fastrand::Rng;

use crate::answer::Answer;
use crate::body;
use crate::encoding::Coding;
use crate::faults::{End, ErrorAnswer, Fault, Instead, Pieces};
use crate::frames::Cut;
use crate::pace;
use crate::seed::{self, Purpose};
use crate::simulator::Shared;

/// The request that is answered, and what goes wrong with it.
pub(crate) struct Delivery<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) number: u64,
    pub(crate) request_id: &'a str,
    pub(crate) fault: &'a Fault,
    pub(crate) coding: Coding,
}

/// Bytes after the end of a response with too small a `content-length`, for the server to send.
#[derive(Clone)]
pub(crate) struct Excess(pub(crate) Bytes);

impl Delivery<'_> {
    /// What happens before the head: a message is written, the head stalls, the answer gets lost. There is no
    /// answer if something comes in its place and nothing is executed.
    pub(crate) async fn prepare(&self, answer: Option<Answer>) -> Result<Answer, BoxError> {
        let answer = match answer {
            Some(answer) => Some(self.write(answer).await),
            None => None,
        };
        pace::wait(self.fault.stall_headers.unwrap_or_default()).await;
        match (&self.fault.instead, answer) {
            (Some(Instead::Error(error)), _) => Ok(error.answer(self.request_id)),
            (None, Some(answer)) => Ok(answer),
            (Some(Instead::Reset { .. } | Instead::Refuse) | None, _) => Err(body::reset()),
        }
    }

    /// A message that is sent whole, or not at all, is written first. If an `error` event is to come, there is no
    /// stream for it, and the message fails.
    async fn write(&self, mut answer: Answer) -> Answer {
        let is_lost = self.fault.instead.is_some();
        if is_lost {
            answer.write_for_nobody();
        }
        let Some(tokens) = answer.whole_tokens() else { return answer };
        if let (Some(End::Error(error)), false) = (&self.fault.end, is_lost) {
            pace::wait(self.shared.pace.written(0)).await;
            answer.fail();
            return ErrorAnswer::of_type(&error.kind).answer(self.request_id);
        }
        answer.write(self.shared.pace);
        pace::wait(self.shared.pace.written(tokens)).await;
        answer.written();
        if is_lost {
            answer.lose();
        }
        answer
    }

    pub(crate) fn cut(&self) -> Cut {
        match (self.fault.pieces, self.shared.frame_bytes) {
            (Some(Pieces::Random), _) => Cut::Random(Box::new(self.rng(Purpose::Cut))),
            (Some(Pieces::Drip(bytes, every)), _) => Cut::Drip(bytes, every),
            (None, Some(bytes)) => Cut::Every(bytes),
            (None, None) => Cut::AsMade,
        }
    }

    pub(crate) fn noise(&self) -> Rng {
        self.rng(Purpose::Noise)
    }

    /// By how much the head lies about the length. An answer that never ends has none to lie about.
    pub(crate) fn wrong_length(&self) -> Option<i64> {
        self.fault.wrong_length.filter(|&off| off != 0 && !self.fault.is_endless())
    }

    fn rng(&self, purpose: Purpose) -> Rng {
        seed::rng(self.shared.seed, self.number, purpose)
    }
}
