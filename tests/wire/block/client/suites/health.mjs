// What the client reads of the service's health.
export default async function ({ server }) {
  const { service, status } = await server.health();
  return { service, status };
}
