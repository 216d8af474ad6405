// A real OpenID Connect provider for the browser tests: oidc-provider, in memory.
//
//     node oidc-provider.mjs '{"port": 1, "client": {…}}'
//
// People are whoever signs in; what the provider says of them is set by PUT /test/people {"ada": {"email": …, "groups": […]}}.
// POST /test/keys gives it new signing keys, and forgets who is signed in.

import { createServer } from "node:http";
import { exportJWK, generateKeyPair } from "jose";
import { Provider } from "oidc-provider";

const { port, client } = JSON.parse(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
let people = {};
let kid = 0;

async function provider() {
  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  kid += 1;
  return new Provider(issuer, {
    clients: [client],
    jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: `key-${kid}`, use: "sig", alg: "RS256" }] },
    cookies: { keys: ["for tests only"] },
    pkce: { required: () => true },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"], groups: ["groups"] },
    scopes: ["openid", "email", "profile", "groups"],
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
  });
}

async function body(request) {
  let text = "";
  for await (const chunk of request) text += chunk;
  return JSON.parse(text);
}

let now = await provider();
createServer(async (request, response) => {
  if (request.url === "/test/people") {
    people = await body(request);
    response.end();
  } else if (request.url === "/test/keys") {
    now = await provider();
    response.end();
  } else {
    now.callback()(request, response);
  }
}).listen(port, "127.0.0.1");
