//! Where a WebSocket frame ends (RFC 6455, section 5.2). Pure; written by the tunnel for what the app sends. The trap: a
//! close frame put in the middle of another frame is garbage to the client, so it may only go in at a boundary.

/// A close frame from a server: 1012, "Service Restart".
pub(crate) const CLOSE_1012: [u8; 4] = [0x88, 0x02, 0x03, 0xf4];

/// Follows frames without keeping them.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    head: [u8; 14],
    have: usize,
    payload: u64,
}

impl Frames {
    /// Takes note of bytes that were sent.
    pub(crate) fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.payload > 0 {
                let step = usize::try_from(self.payload).map_or(bytes.len(), |left| left.min(bytes.len()));
                self.payload -= step as u64;
                bytes = &bytes[step..];
            } else {
                self.head[self.have] = bytes[0];
                self.have += 1;
                bytes = &bytes[1..];
                if self.have == self.head_length() {
                    self.payload = self.payload_length();
                    self.have = 0;
                }
            }
        }
    }

    /// Whether the last frame is complete.
    pub(crate) fn at_boundary(&self) -> bool {
        self.have == 0 && self.payload == 0
    }

    fn head_length(&self) -> usize {
        if self.have < 2 {
            return 2;
        }
        let mask = if self.head[1] & 0x80 == 0 { 0 } else { 4 };
        let extended = match self.head[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + extended + mask
    }

    fn payload_length(&self) -> u64 {
        let h = &self.head;
        match h[1] & 0x7f {
            126 => u64::from(u16::from_be_bytes([h[2], h[3]])),
            127 => u64::from_be_bytes([h[2], h[3], h[4], h[5], h[6], h[7], h[8], h[9]]),
            short => u64::from(short),
        }
    }
}

#[cfg(test)]
mod tests {
    //! Boundaries are found however the bytes are cut.
    use super::*;

    fn frame(length: usize) -> Vec<u8> {
        let mut bytes = vec![0x82];
        match length {
            0..126 => bytes.push(u8::try_from(length).expect("short")),
            126..65536 => {
                bytes.push(126);
                bytes.extend(u16::try_from(length).expect("medium").to_be_bytes());
            }
            _ => {
                bytes.push(127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend(vec![7; length]);
        bytes
    }

    #[test]
    fn a_boundary_is_found_whatever_the_cuts() {
        for length in [0, 1, 125, 126, 65_535, 65_536, 70_000] {
            for step in [1, 2, 3, 7, 4096, usize::MAX] {
                let mut frames = Frames::default();
                let bytes = frame(length);
                for chunk in bytes[..bytes.len() - 1].chunks(step.min(bytes.len())) {
                    frames.pass(chunk);
                }
                assert!(!frames.at_boundary(), "{length} cut by {step} is not complete");
                frames.pass(&bytes[bytes.len() - 1..]);
                assert!(frames.at_boundary(), "{length} cut by {step} is complete");
            }
        }
    }

    #[test]
    fn a_masked_frame_ends_after_its_mask_and_payload() {
        let mut frames = Frames::default();
        frames.pass(&[0x81, 0x81, 1, 2, 3, 4]);
        assert!(!frames.at_boundary());
        frames.pass(&[9]);
        assert!(frames.at_boundary());
    }
}
