//! The microphone's worker.

use gloo_worker::reactor::ReactorRegistrar;
use parlance_microphone::Listening;

fn main() {
    ReactorRegistrar::<Listening>::new().register();
}
