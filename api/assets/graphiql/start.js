// Begins with the walk of the README in the editor. The session's cookie goes along; there is no token in a page.
const endpoint = new URL("/graphql", window.location.origin);
const live = new URL(endpoint);
live.protocol = live.protocol === "https:" ? "wss:" : "ws:";

const begin = (walk) =>
  ReactDOM.createRoot(document.getElementById("graphiql")).render(
    React.createElement(GraphiQL, {
      fetcher: GraphiQL.createFetcher({
        url: endpoint.toString(),
        subscriptionUrl: live.toString(),
        fetch: (url, options) => fetch(url, { ...options, credentials: "same-origin" }),
      }),
      defaultQuery: walk,
      defaultEditorToolsVisibility: true,
    }),
  );

fetch("/graphiql/walk.graphql")
  .then((answer) => answer.text())
  .then(begin);
