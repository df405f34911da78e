//! An image given to the engine: the layout's own files, once they were weighed, and the engine's name for them held against
//! their digests. The trap avoided: an image of the same name that holds something else.

use super::{Engine, EngineError};
use bollard::{body_try_stream, query_parameters::ImportImageOptionsBuilder};
use bytes::Bytes;
use futures_util::StreamExt as _;
use rhone_image::{
    ImageError, archive,
    layout::Image,
    unpack::{Limits, weigh},
};
use std::{
    io::{self, Write},
    path::Path,
    time::Duration,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// How long an engine may unpack.
const LOADED: Duration = Duration::from_mins(10);

impl Engine {
    /// The engine's name of the image that a layout holds, which it is given if it does not have it.
    pub(crate) async fn have_image(&self, layout: &Path) -> Result<String, EngineError> {
        let from = layout.to_owned();
        let image = off_the_loop(move || Image::open(&from)).await?;
        if let Some(name) = self.find_image(&image).await? {
            return Ok(name);
        }
        let (from, weighed) = (layout.to_owned(), image.clone());
        off_the_loop(move || weigh(&from, &weighed, &Limits::default())).await?;
        self.load(layout, &image).await?;
        self.find_image(&image).await?.ok_or_else(|| EngineError::OtherImage(image.manifest.config.digest.to_string()))
    }

    /// An engine names an image by the digest of its configuration, or of its manifest when it keeps images as containerd does.
    async fn find_image(&self, image: &Image) -> Result<Option<String>, EngineError> {
        for name in [image.manifest.config.digest, image.descriptor.digest].map(|digest| digest.to_string()) {
            match self.client.inspect_image(&name).await.map_err(|said| self.error(said)) {
                Ok(found) if found.id.as_deref() == Some(&name) => return Ok(Some(name)),
                Ok(_) | Err(EngineError::Missing(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn load(&self, layout: &Path, image: &Image) -> Result<(), EngineError> {
        let (parts, sent) = mpsc::channel(8);
        let (from, image) = (layout.to_owned(), image.clone());
        let writing = off_the_loop(move || {
            let written = archive::write(&from, &image, Parts(parts.clone()));
            if let Err(error) = &written {
                // An archive that only ends is taken for a whole one.
                let _ = parts.blocking_send(Err(io::Error::other(error.to_string())));
            }
            written
        });
        let options = ImportImageOptionsBuilder::default().quiet(true).build();
        let client = self.client.clone().with_timeout(LOADED);
        let mut said = client.import_image(options, body_try_stream(ReceiverStream::new(sent)), None);
        let loaded = async {
            while let Some(line) = said.next().await {
                line.map_err(|said| self.error(said))?;
            }
            Ok::<_, EngineError>(())
        };
        let (loaded, written) = tokio::join!(loaded, writing);
        // An engine that took no more says why; the other side only sees that.
        loaded?;
        Ok(written?)
    }
}

/// Reading and unpacking hold a thread up.
async fn off_the_loop<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ImageError> + Send + 'static,
) -> Result<T, ImageError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|lost| Err(ImageError::Io(io::Error::other(lost))))
}

/// What is written becomes the body's next part.
struct Parts(mpsc::Sender<io::Result<Bytes>>);

impl Write for Parts {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.0.blocking_send(Ok(Bytes::copy_from_slice(part))).map_err(gone)?;
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
