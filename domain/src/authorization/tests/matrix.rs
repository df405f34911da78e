//! The same question answered a second time, by hand and for reading: who may issue what. Not made from the table.
//! `preview` in place of yes or no: yes, but not in production.

/// What the columns are.
pub(super) const COLUMNS: [&str; 4] = ["owner", "admin", "member", "outsider"];

/// Command | writers | owner admin member outsider | the custom grant that suffices, and where.
pub(super) const MATRIX: &str = "
allocation.plan               | scheduler promotion rollback platform | no  no  no      no  | -
allocation.drain              | scheduler platform               | no  no  no      no  | -
allocation.report_pulling     | runner                       | no  no  no      no  | -
allocation.report_starting    | runner                       | no  no  no      no  | -
allocation.report_ready       | runner                       | no  no  no      no  | -
allocation.report_restarted   | runner                       | no  no  no      no  | -
allocation.report_stopped     | runner                       | no  no  no      no  | -
allocation.report_failed      | runner scheduler             | no  no  no      no  | -
allocation.record_closed      | scheduler                    | no  no  no      no  | -
app.create                    | api                          | yes yes no      no  | app_manage project
app.import                    | api                          | yes yes no      no  | app_manage project
app.set_source                | api                          | yes yes no      no  | app_manage project
app.remove_source             | api                          | yes yes no      no  | app_manage project
app.set_source_credential     | api                          | yes yes no      no  | variables_manage project
app.remove_source_credential  | api                          | yes yes no      no  | variables_manage project
artifact.create               | pipeline                     | yes yes yes     no  | deploy workspace
backend.take | provider | no  no  no      no  | -
backend.release | provider | no  no  no      no  | -
cell.create                   | platform                     | yes no  no      no  | platform_manage platform
claim.claim                   | api platform                 | yes yes yes     yes | -
claim.release                 | api platform                 | yes yes yes     yes | -
deployment.create             | pipeline                     | yes yes yes     no  | deploy project
deployment.validate           | pipeline                     | yes yes yes     no  | deploy project
environment.create            | api                          | yes yes no      no  | environment_manage project
environment.scale             | scheduler                    | no  no  no      no  | -
environment.set_policy        | api                          | yes yes no      no  | environment_manage environment
environment.approve           | api                          | yes yes no      no  | approve environment
environment.set_sleep_policy  | api                          | yes yes no      no  | scale environment
environment.set_drain_policy  | api                          | yes yes no      no  | environment_manage environment
environment.set_residency     | api                          | yes yes no      no  | environment_manage environment
environment.enable_region     | platform                     | no  no  no      no  | -
environment.disable_region    | api                          | yes yes no      no  | environment_manage environment
host.create                   | platform                     | yes no  no      no  | platform_manage platform
migrations.record             | api pipeline                 | yes yes no      no  | data_manage environment
host.cordon                   | platform                     | yes no  no      no  | platform_manage platform
host.uncordon                 | platform                     | yes no  no      no  | platform_manage platform
host.set_capacity             | platform                     | yes no  no      no  | platform_manage platform
host.begin_drain              | platform                     | no  no  no      no  | -
host.confirm_upgrade          | platform                     | yes no  no      no  | platform_manage platform
host.retire                   | platform                     | yes no  no      no  | platform_manage platform
migrations.restore            | api                          | yes yes no      no  | data_manage environment
operation.request_promotion   | api pipeline                 | yes yes preview no  | promote_production environment
operation.request_region_failover | api                      | yes yes preview no  | promote_production environment
operation.request_rollback    | api                          | yes yes no      no  | roll_back environment
operation.request_region_enablement | api                    | yes yes no      no  | environment_manage environment
operation.request_deploy      | api                          | yes yes yes     no  | deploy environment
operation.request_scale       | api                          | yes yes no      no  | scale environment
operation.request_drain       | api                          | yes yes no      no  | scale environment
operation.request_host_drain  | platform                     | yes no  no      no  | platform_manage platform
operation.request_migration   | api                          | yes yes no      no  | data_manage environment
operation.request_wake        | api scheduler                | yes yes no      no  | scale environment
operation.request_sleep       | api scheduler                | yes yes no      no  | scale environment
operation.request_provider_binding | api | yes yes no      no  | bindings_manage environment
operation.request_runtime_service_binding | api | yes yes no      no  | bindings_manage environment
operation.enter               | promotion rollback pipeline scheduler provider platform | no  no  no      no  | -
operation.fail                | promotion rollback pipeline scheduler provider platform | no  no  no      no  | -
operation.request_cancel      | api                          | yes yes yes     no  | operations_cancel environment
operation.cancel              | promotion rollback pipeline scheduler provider platform | no  no  no      no  | -
operation.record_late_report  | system                       | no  no  no      no  | -
project.create                | api                          | yes yes no      no  | project_manage workspace
provider_binding.request | api | yes yes no      no  | bindings_manage environment
provider_binding.verify | provider | no  no  no      no  | -
provider_binding.fail | provider | no  no  no      no  | -
provider_binding.disable | provider | no  no  no      no  | -
refusal.record                | api system                   | yes yes yes     yes | -
region.create                 | platform                     | yes no  no      no  | platform_manage platform
route_owner.open              | api                          | yes yes no      no  | environment_manage project
route_owner.attach_host       | api                          | yes yes no      no  | domains environment
route_owner.detach_host       | api                          | yes yes no      no  | domains environment
route_owner.promote           | promotion                    | no  no  no      no  | -
route_owner.roll_back         | rollback                     | no  no  no      no  | -
route_owner.move              | promotion                    | no  no  no      no  | -
route_owner.release_pin       | api                          | yes yes no      no  | route_hold environment
route_owner.lift_quarantine   | api                          | yes yes no      no  | route_hold environment
route_owner.freeze            | api                          | yes yes no      no  | route_hold environment
route_owner.unfreeze          | api                          | yes yes no      no  | route_hold environment
route_owner.raise_epoch       | platform                     | no  no  no      no  | -
token.create                  | api                          | yes yes yes     yes | -
token.rotate                  | api                          | yes yes yes     yes | -
token.revoke                  | api                          | yes yes yes     yes | -
token.find                    | api platform                 | yes yes yes     yes | -
token.issue                   | platform                     | yes no  no      no  | platform_manage platform
token.withdraw                | platform                     | yes no  no      no  | platform_manage platform
variables.change              | api                          | yes yes no      no  | variables_manage environment
route_owner.sleep             | scheduler                    | no  no  no      no  | -
route_owner.wake              | scheduler                    | no  no  no      no  | -
route_owner.fail_wake         | scheduler                    | no  no  no      no  | -
runtime_service_binding.request | api | yes yes no      no  | bindings_manage environment
runtime_service_binding.verify | provider | no  no  no      no  | -
runtime_service_binding.fail | provider | no  no  no      no  | -
runtime_service_binding.disable | provider | no  no  no      no  | -
workspace.create              | api platform                 | yes yes yes     yes | -
workspace.add_member          | api                          | yes yes no      no  | members_manage workspace
workspace.set_role            | api                          | yes yes no      no  | members_manage workspace
workspace.remove_member       | api                          | yes yes no      no  | members_manage workspace
workspace.set_grants          | api                          | yes yes no      no  | members_manage workspace
workspace.grant_support       | api                          | yes yes yes     no  | support_grant workspace
workspace.end_support         | api                          | yes yes yes     no  | support_grant workspace
workspace.invite              | api                          | yes yes no      no  | members_manage workspace
workspace.revoke_invitation   | api                          | yes yes no      no  | members_manage workspace
workspace.accept_invitation   | api                          | yes yes yes     yes | -
";
