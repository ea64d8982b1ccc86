//! The worker's loop.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::LocalBoxFuture;
use futures::{SinkExt as _, StreamExt as _};
use gloo_worker::reactor::{Reactor, ReactorScope};

use crate::ear::Ear;
use crate::messages::{Heard, Input};

/// The reactor.
pub struct Listening(LocalBoxFuture<'static, ()>);

impl Future for Listening {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}

impl Reactor for Listening {
    type Scope = ReactorScope<Input, Heard>;

    fn create(scope: Self::Scope) -> Self {
        Self(Box::pin(listen(scope)))
    }
}

async fn listen(mut scope: ReactorScope<Input, Heard>) {
    let mut ear = None;
    while let Some(input) = scope.next().await {
        match (input, &mut ear) {
            // A rate beyond the limits leaves the page without an answer, which it notices.
            (Input::Rate(rate), ear) => *ear = Ear::new(rate).ok(),
            (Input::Samples(samples), Some(ear)) => {
                if scope.send(ear.hear(&samples)).await.is_err() {
                    return;
                }
            }
            (Input::Samples(_), None) => {}
        }
    }
}
