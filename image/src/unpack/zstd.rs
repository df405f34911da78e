//! Layers packed by zstd: frame after frame, and between them frames that say nothing to us, as some tools write them. The
//! trap avoided: a stream that is taken for whole after its first frame. A window beyond 100 MiB is refused before it is held.

use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};
use std::io::{self, BufRead, Read};

/// What is held of a frame beside its window, at the least.
const STEP: usize = 128 << 10;

pub(crate) struct Frames<R> {
    source: R,
    decoder: FrameDecoder,
    at: At,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// A frame or the end comes next.
    Between,
    Inside,
}

impl<R: BufRead> Frames<R> {
    pub(crate) fn of(source: R) -> Self {
        Self { source, decoder: FrameDecoder::new(), at: At::Between }
    }

    /// Begins the next frame; false at the end.
    fn next(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.source) {
                Ok(()) => {
                    self.at = At::Inside;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    io::copy(&mut (&mut self.source).take(u64::from(length)), &mut io::sink())?;
                }
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.at == At::Between && !self.next()? {
                return Ok(0);
            }
            let read = self.decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            if self.decoder.is_finished() {
                self.at = At::Between;
            } else {
                let step = self.decoder.decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBytes(STEP));
                step.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    //! Streams of several frames, and streams that are none.
    use super::*;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    fn unpacked(packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        Frames::of(packed).read_to_end(&mut bytes).map(|_| bytes)
    }

    #[test]
    fn every_frame_is_read_and_one_that_says_nothing_is_passed_over() {
        let long: Vec<u8> = (0..3_000_000_u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
        let (one, two) = (
            compress_to_vec(&long[..], CompressionLevel::Fastest),
            compress_to_vec(&b"end"[..], CompressionLevel::Fastest),
        );
        let nothing = [&0x184D_2A50_u32.to_le_bytes()[..], &5_u32.to_le_bytes(), b"table"].concat();
        let whole = [&nothing[..], &one, &nothing, &two, &nothing].concat();
        assert!(unpacked(&whole).expect("sound") == [&long[..], b"end"].concat());
        assert_eq!(unpacked(b"").expect("nothing is nothing"), b"");
        assert!(unpacked(&one[..one.len() - 9]).is_err(), "it was cut");
        assert!(unpacked(&[&two[..], b"more"].concat()).is_err(), "what comes after it is no frame");
    }
}
