//! An image that becomes an artifact: pulled by its digest, every blob compared, and packed as it is beside the one file that
//! says how it is run, taken from the image's own configuration. The trap avoided: a tag; nothing here is fetched by a name
//! that may mean something else tomorrow.

use super::make::{AGAIN, FETCHES, Maker, Reading, broken, told};
use rhone_builder::{
    image::{self, Pulled, RegistryError},
    log::Log,
};
use rhone_domain::{deploy, digest::Digest, operation::Failure, text::ImageName};
use serde_json::json;
use tokio::fs;

/// The label that says where the app answers for its health; `/` where there is none.
const HEALTH: &str = "rhone.health";

impl Maker {
    /// Fetches the image and lays it out to be packed.
    pub(super) async fn pull(&self, name: &ImageName, digest: Digest) -> Result<(), Failure> {
        let reading = Reading::of(self);
        let pulled = self.pull_again(name.as_str(), digest, &reading.log).await;
        if let Err(error) = &pulled {
            reading.log.step(told(error)).await;
        }
        reading.end().await;
        let pulled = pulled.map_err(|error| deploy::failed(error.code(), told(&error)))?;
        let config = &pulled.image.config.config;
        let health = config.labels.as_ref().and_then(|labels| labels.get(HEALTH)).map_or("/", String::as_str);
        let says = rhone_toml(&config.command(), health);
        fs::write(self.output().join("rhone.toml"), says).await.map_err(|error| broken("writing rhone.toml", &error))
    }

    async fn pull_again(&self, name: &str, digest: Digest, log: &Log) -> Result<Pulled, RegistryError> {
        let (limits, policy) = (&self.builds.source_limits, &self.builds.sources);
        let (mut pause, mut tries) = (AGAIN, 1);
        fs::create_dir_all(&self.folder).await?;
        loop {
            let _ = fs::remove_dir_all(self.output()).await;
            match image::pull(name, digest, &self.output(), limits, policy, log).await {
                Err(error) if error.may_pass() && tries < FETCHES => {
                    log.step(format!("{}; tried again in {} s", told(&error), pause.as_secs())).await;
                    tokio::time::sleep(pause).await;
                    pause *= 4;
                    tries += 1;
                }
                other => return other,
            }
        }
    }
}

/// A file as people write it: JSON's texts and lists are TOML's too.
fn rhone_toml(command: &[String], health: &str) -> String {
    format!("process = {}\nhealth = {}\n", json!(command), json!(health))
}

#[cfg(test)]
mod tests {
    //! The file is one that the platform reads.
    use super::*;
    use rhone_providers::artifact_facts::read_facts;

    #[test]
    fn what_is_said_of_an_image_is_read_back_as_it_was() {
        let command = ["/srv/app \"quoted\"", "--name=größe\\n", "a\tb"].map(str::to_owned);
        let says = rhone_toml(&command, "/healthz");
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(says.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, "rhone.toml", says.as_bytes()).expect("packed");
        let facts = read_facts(&tar.into_inner().expect("a tar")[..]).expect("facts");
        assert_eq!((facts.command, facts.health_path.as_str()), (command.to_vec(), "/healthz"));
    }
}
