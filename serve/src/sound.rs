//! The recordings of requests. In the tab it is the browser that decodes; here only WAV files are read.

use std::future::ready;
use std::rc::Rc;

use parlance_api::{RequestError, SamplesFuture, Sound, SoundRequest};
use parlance_engine::speech::Sound as Samples;
use parlance_pictures::content_id;
use parlance_sound::{MAX_SAMPLES, Recording, Resampler, SoundError, half, open};

/// The samples of a file: 16,000 per second, one channel.
pub(crate) fn decode(file: &[u8]) -> Result<Vec<i16>, RequestError> {
    let wav = match open(file).map_err(|error| unusable(&error))? {
        Recording::Samples(wav) => wav,
        Recording::Packets(_) => {
            let message = "this server reads WAV files; convert it, for example with ffmpeg -i FILE recording.wav";
            return Err(RequestError::Recording(message.to_owned()));
        }
    };
    samples(wav).map_err(|error| unusable(&error))
}

/// Reads a recording in a message of a request.
pub(crate) fn read(request: &SoundRequest) -> Result<Sound, RequestError> {
    let samples = decode(&request.file).map_err(|error| match error {
        RequestError::Recording(message) => RequestError::Field { param: request.param.clone(), message },
        error => error,
    })?;
    let (digest, sample_count, samples) = (content_id(&request.file), samples.len(), Rc::new(samples));
    let samples = move || -> SamplesFuture {
        let samples: Rc<dyn Samples> = Rc::<Vec<i16>>::clone(&samples);
        Box::pin(ready(Ok(samples)))
    };
    Ok(Sound { digest, sample_count, samples: Box::new(samples) })
}

fn samples(mut wav: parlance_sound::Wav<&[u8]>) -> Result<Vec<i16>, SoundError> {
    let mut resampler = Resampler::new(wav.sample_rate())?;
    let (mut samples, mut converted) = (Vec::new(), Vec::new());
    while let Some(piece) = wav.next_samples()? {
        resampler.push(&piece, &mut converted);
        samples.extend(converted.drain(..).map(half));
        if samples.len() as u64 > MAX_SAMPLES {
            return Err(SoundError::TooLong);
        }
    }
    resampler.finish(&mut converted);
    samples.extend(converted.into_iter().map(half));
    if samples.is_empty() { Err(SoundError::Empty) } else { Ok(samples) }
}

fn unusable(error: &SoundError) -> RequestError {
    RequestError::Recording(error.to_string())
}
