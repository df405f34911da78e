//! Step 4: the edge serves the preview host, HTTP and WebSocket.

use super::story::{Lanes, Story};
use anyhow::Result;
use tokio::time::Instant;

pub(super) async fn tell(story: &mut Story<'_>, lanes: &Lanes) -> Result<()> {
    story.teller.step(4, "the edge serves the preview host");
    let visitor = story.visitor(&lanes.preview)?;
    let begun = Instant::now();
    let (status, page) = visitor.get("/").await?;
    let took = begun.elapsed().as_millis();
    let blue = status.is_success() && page.contains("the blue version");
    let edge = story.edge()?.to_owned();
    story
        .teller
        .holds(blue, format_args!("GET {edge}/ as {} is {status}, the blue page [{took} ms]", lanes.preview.host))?;
    let begun = Instant::now();
    let mut session = visitor.connect().await?;
    session.echo("hello from the other side").await?;
    let took = begun.elapsed().as_millis();
    let greeted =
        format!("a WebSocket at /_vango/ws greets as {} of {} and echoes", session.version, session.allocation);
    story.teller.holds(session.version == "blue", format_args!("{greeted} [{took} ms]"))
}
