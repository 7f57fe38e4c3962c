//! Everything drawn at random, from the seed and the number of the request.

use fastrand::Rng;

use crate::digest::Digest;

/// What a random stream is for. Each purpose has its own, so that a draw more for one changes no other.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    RequestId,
    Content,
    Stream,
    Hidden,
    Estimate,
    Fault,
    Cut,
    Noise,
}

/// The random stream of one purpose for one request.
pub(crate) fn rng(seed: u64, number: u64, purpose: Purpose) -> Rng {
    Rng::with_seed(mix(seed ^ mix(number ^ mix(purpose as u64 + 1))))
}

/// The random stream of one purpose for requests with this body, however often they come. Only its length and its
/// end, where the newest message is, count.
pub(crate) fn rng_of(seed: u64, body: &[u8], purpose: Purpose) -> Rng {
    const END: usize = 512;
    let mut digest = Digest::new();
    digest.number(body.len() as u64);
    digest.bytes(&body[body.len().saturating_sub(END)..]);
    rng(seed, digest.finish(), purpose)
}

/// The random stream of one attempt of the call with this fate. Nothing else that happens changes it.
pub(crate) fn fate(seed: u64, fate: u64, attempt: u32) -> Rng {
    let attempt = mix(u64::from(attempt) ^ mix(Purpose::Fault as u64 + 1));
    Rng::with_seed(mix(seed ^ mix(fate ^ attempt).rotate_left(32)))
}

/// The finaliser of `SplitMix64`: neighbouring numbers become unrelated seeds.
const fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const BASE58: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The id of the request with this number: nothing but the seed and the number decides it.
pub(crate) fn request_id(seed: u64, number: u64) -> String {
    id("req_011C", 20, &mut rng(seed, number, Purpose::RequestId))
}

/// An id of the API's form: a prefix, and letters without look-alikes.
pub(crate) fn id(prefix: &str, length: usize, rng: &mut Rng) -> String {
    letters(prefix, BASE58, length, rng)
}

/// Opaque data in the alphabet of base64, after a prefix.
pub(crate) fn base64(prefix: &str, length: usize, rng: &mut Rng) -> String {
    letters(prefix, BASE64, length, rng)
}

fn letters(prefix: &str, alphabet: &[u8], length: usize, rng: &mut Rng) -> String {
    let drawn = (0..length).map(|_| char::from(alphabet[rng.usize(..alphabet.len())]));
    prefix.chars().chain(drawn).collect()
}
