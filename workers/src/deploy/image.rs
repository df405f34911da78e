//! An image that becomes an artifact: pulled by its digest, every blob compared, and packed as it is beside the one file that
//! says how it is run, taken from the image's own configuration. The trap avoided: a tag; nothing here is fetched by a name
//! that may mean something else tomorrow.

use super::make::{FETCHES, Maker, Reading, again, told};
use rhone_builder::{
    image::{self, Pulled, RegistryError},
    log::Log,
};
use rhone_domain::{deploy, digest::Digest, operation::Failure, text::ImageName};
use tokio::fs;

impl Maker {
    /// Fetches the image and lays it out to be packed.
    pub(super) async fn pull(&self, name: &ImageName, digest: Digest) -> Result<(), Failure> {
        let reading = Reading::of(self);
        let pulled = self.pull_again(name.as_str(), digest, &reading.log).await;
        let pulled = pulled.map_err(|error| deploy::failed(error.code(), reading.log.hide(&told(&error))));
        if let Err(failure) = &pulled {
            reading.log.step(&failure.message).await;
        }
        reading.end().await;
        let pulled = pulled?;
        let unusable = |error: image::WriteError| deploy::failed("IMAGE_INVALID", told(&error));
        image::make_artifact(&self.output(), &pulled.image, None).map_err(unusable)
    }

    async fn pull_again(&self, name: &str, digest: Digest, log: &Log) -> Result<Pulled, RegistryError> {
        let (limits, policy) = (&self.builds.source_limits, &self.builds.sources);
        fs::create_dir_all(&self.folder).await?;
        let once = || async {
            let _ = fs::remove_dir_all(self.output()).await;
            image::pull((name, digest), self.sign_in.as_ref(), &self.output(), limits, policy, log).await
        };
        again(log, FETCHES, RegistryError::may_pass, once).await
    }
}
