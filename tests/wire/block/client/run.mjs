// Runs one suite with the published client and prints what it told, as one JSON object.
//
//     node run.mjs SUITE BASE_URL < given.json
//
// `given` holds what the suite needs to know: keys and user tokens (`sk`, `pk`, `people: {name: {id, token}}`).
// A suite is suites/SUITE.mjs; its default export takes `{ as, server, given }`:
//
//     as("ada")     the client of a person, with the publishable key and that person's token
//     server        the client with the secret key alone
//     refused(p)    awaits a promise that must be refused, and gives {status, code, source}
//
// and returns what the test compares. Printed beside it: `called`, every method that answered.
import { createConversationsBlock } from "@23blocks/block-conversations";
import { createHttpTransport } from "@23blocks/transport-http";

const [suite, baseUrl] = process.argv.slice(2);
const given = JSON.parse(await text(process.stdin));
const called = new Set();

async function text(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function client(headers) {
  const block = createConversationsBlock(createHttpTransport({ baseUrl, headers, timeout: 10_000 }), {});
  return Object.fromEntries(Object.entries(block).map(([name, service]) => [name, watched(name, service)]));
}

function watched(name, service) {
  if (typeof service === "function") return noted(name, service);
  return Object.fromEntries(
    Object.entries(service).map(([method, run]) => [method, noted(`${name}.${method}`, run)]),
  );
}

function noted(name, run) {
  return async (...args) => {
    const answer = await run(...args);
    called.add(name);
    return answer;
  };
}

async function refused(promise) {
  try {
    const answer = await promise;
    throw new Error(`should have been refused: ${JSON.stringify(answer)}`);
  } catch (error) {
    if (error.name !== "BlockErrorException") throw error;
    return { status: error.status, code: error.code, ...(error.source ? { source: error.source } : {}) };
  }
}

const server = client({ "x-api-key": given.sk });
const as = (name) =>
  client({ "x-api-key": given.pk, Authorization: `Bearer ${given.people[name].token}` });
const known = Object.entries(server).flatMap(([name, service]) =>
  typeof service === "function" ? [name] : Object.keys(service).map((method) => `${name}.${method}`),
);
const told =
  suite === "methods" ? {} : await (await import(`./suites/${suite}.mjs`)).default({ as, server, given, refused });
process.stdout.write(JSON.stringify({ told, called: [...called].sort(), known }));
