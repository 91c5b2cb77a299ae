// Tokens for sockets.
export default async function ({ as, server, given }) {
  const own = await as("ada").websocketTokens.create();
  const one = await server.websocketTokens.create({ channel: "private:orders", userId: given.people.ada.id });
  return {
    own: [own.token.split(".").length, own.expiresAt > new Date(0), own.url.endsWith("/v1/realtime/ws")],
    one: [one.token !== own.token, one.channel],
  };
}
