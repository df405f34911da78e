// Runs the GraphQL-over-HTTP audit against a server: node audit.mjs <url> <token>. Prints what did not pass and "n of m";
// exits 1 unless all passed. Every request carries the token, since ours answers nobody without one.
import { auditServer } from 'graphql-http';

const [url, token] = process.argv.slice(2);
// One after the other: it audits the protocol, and not what a busy machine makes of 61 requests at once.
let last = Promise.resolve();
const fetchFn = (input, init = {}) => {
  const ask = () => fetch(input, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } });
  const answer = last.then(ask);
  last = answer.then((response) => response.clone().arrayBuffer(), () => undefined);
  return answer;
};

const results = await auditServer({ url, fetchFn });
const failed = results.filter((result) => result.status !== 'ok');
for (const { id, name, status, reason } of failed) console.log(`${status} ${id} ${name}: ${reason}`);
console.log(`${results.length - failed.length} of ${results.length}`);
process.exit(failed.length === 0 ? 0 : 1);
