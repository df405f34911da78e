//! GraphiQL in a real browser: what stands in its editors, its button with the list of operations, and its answers. The trap
//! avoided: an answer of the operation before; the pane is empty when the next one begins.

use rhone_tests::{
    chromium::Chromium,
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};

/// What is written in the editor that is found so.
const WRITTEN: &str = "return document.querySelector(arguments[0]).CodeMirror.getValue()";
const QUERY: &str = ".graphiql-query-editor .CodeMirror";
const VARIABLES: &str = ".graphiql-editor-tool .CodeMirror";
/// The answer, once the button offers to run something again.
const ANSWERED: &str = "
    const answer = document.querySelector('.result-window .CodeMirror').CodeMirror.getValue();
    return document.querySelector('.graphiql-spinner') ? '' : answer";
const EMPTY: &str = "document.querySelector('.result-window .CodeMirror').CodeMirror.setValue('')";

pub(super) struct Page(Chromium);

impl Page {
    /// By the link that `./dev up` prints.
    pub(super) async fn open(chromium: Chromium, api: &str) -> Self {
        chromium.open(&format!("{api}/auth/dev/login?return_to=/graphiql")).await;
        assert_eq!(chromium.address().await, format!("{api}/graphiql"));
        chromium.find(QUERY).await;
        let cookies = chromium.run("return document.cookie", vec![]).await;
        assert_eq!(cookies, "", "no script sees the session");
        Self(chromium)
    }

    pub(super) async fn document(&self) -> String {
        self.written(QUERY).await
    }

    async fn written(&self, editor: &str) -> String {
        self.0.run(WRITTEN, vec![json!(editor)]).await.as_str().expect("text").to_owned()
    }

    /// Puts the variables below the editor, chooses the operation in the list of the button, and reads the answer.
    pub(super) async fn run(&self, name: &str, variables: &Value) -> Value {
        let variables = variables.to_string();
        self.0.write(VARIABLES, &variables).await;
        // The editor takes keys in its own time.
        let typed = async || (self.written(VARIABLES).await == variables).then_some(());
        until(&format!("the editor shows {variables}"), PATIENCE, typed).await;
        self.0.run(EMPTY, vec![]).await;
        self.0.click(".graphiql-execute-button").await;
        self.0.click_by(&format!("//*[@role='menuitem'][normalize-space(.)='{name}']")).await;
        let look = async || {
            let answer = self.0.run(ANSWERED, vec![]).await;
            answer.as_str().filter(|answer| !answer.is_empty()).map(str::to_owned)
        };
        let answer = until(&format!("{name} is answered"), PATIENCE, look).await;
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    pub(super) async fn close(self) {
        self.0.close().await;
    }
}
