//! A container as it is asked for: nothing of the host but its network, no powers, a root that cannot be written, and the
//! limits of this host. The trap avoided: a value in an argument or a name; the variables travel in the body alone.

use crate::config::Docker;
use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, RestartPolicy, RestartPolicyNameEnum,
};
use std::collections::HashMap;

/// What a container shall be. It has no `Debug`: its variables are secrets.
pub(crate) struct NewContainer {
    pub(crate) name: String,
    /// As the engine names it by its digest.
    pub(crate) image: String,
    pub(crate) command: Vec<String>,
    /// `NAME=value`.
    pub(crate) variables: Vec<String>,
    pub(crate) labels: HashMap<String, String>,
    pub(crate) limits: Docker,
}

impl NewContainer {
    pub(super) fn body(&self) -> ContainerCreateBody {
        let (program, arguments) = self.command.split_at(self.command.len().min(1));
        ContainerCreateBody {
            image: Some(self.image.clone()),
            // The image's own command is part of the order; an entrypoint beside it would run something else.
            entrypoint: Some(program.to_vec()),
            cmd: Some(arguments.to_vec()),
            env: Some(self.variables.clone()),
            labels: Some(self.labels.clone()),
            // Whether it is well is asked through its gate.
            healthcheck: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }),
            host_config: Some(self.host_config()),
            ..ContainerCreateBody::default()
        }
    }

    fn host_config(&self) -> HostConfig {
        let Docker { memory_bytes, cpu_millis, processes, .. } = self.limits;
        let memory = i64::try_from(memory_bytes).ok();
        HostConfig {
            // It listens on a port of the host's loopback, as it does without an engine.
            network_mode: Some("host".to_owned()),
            readonly_rootfs: Some(true),
            tmpfs: Some(["/tmp", "/run"].map(|at| (at.to_owned(), "rw,exec,nosuid,nodev".to_owned())).into()),
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            memory,
            // Not a byte of it on the host's swap.
            memory_swap: memory,
            nano_cpus: cpu_millis.map(|millis| i64::from(millis) * 1_000_000),
            pids_limit: Some(i64::from(processes)),
            // Its gate starts it again, and looks at its bytes first.
            restart_policy: Some(RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None }),
            // What it prints while no gate reads; turned over, so that it fills no disk.
            log_config: Some(HostConfigLogConfig {
                typ: Some("local".to_owned()),
                config: Some(
                    [("max-size", "16m"), ("max-file", "2")]
                        .map(|(key, value)| (key.to_owned(), value.to_owned()))
                        .into(),
                ),
            }),
            ..HostConfig::default()
        }
    }
}
