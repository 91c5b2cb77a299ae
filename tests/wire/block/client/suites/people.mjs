// Users, whether they are there, and how they want to be told of things.
export default async function ({ as, given, refused }) {
  const ada = as("ada");
  const bob = as("bob");
  const id = given.people.ada.id;

  const registered = await ada.users.register(id, { email: "ada@example.com", name: "Ada" });
  const updated = await ada.users.update(id, { name: "Ada L.", payload: { team: "engines" } });
  const listed = await ada.users.list({ search: "ada l", sortBy: "name", sortOrder: "desc", page: 1, perPage: 5 });
  const same = await bob.users.get(id);
  if (same.uniqueId !== id) throw new Error("another user came back");

  const neverSeen = await bob.availabilities.get(given.people.bob.id);
  const online = await ada.availabilities.goOnline({ customStatus: "here" });
  if (online.userUniqueId !== id) throw new Error("somebody else is online");
  const seen = await bob.availabilities.get(id);
  await ada.availabilities.goOffline();
  const afterwards = await bob.availabilities.get(id);

  const defaults = await ada.notificationSettings.get(id);
  const quiet = await ada.notificationSettings.update(id, {
    emailEnabled: false,
    quietHoursStart: "22:00",
    quietHoursEnd: "07:00",
    timezone: "Europe/Berlin",
  });
  return {
    registered: {
      uniqueId: registered.uniqueId,
      email: registered.email,
      name: registered.name,
      status: registered.status,
    },
    updated: { name: updated.name, payload: updated.payload },
    listed: { names: listed.data.map((one) => one.name), total: listed.meta.totalCount },
    "never seen": neverSeen.status,
    online: { status: online.status, customStatus: online.customStatus },
    "seen by bob": seen.status,
    afterwards: afterwards.status,
    defaults: { email: defaults.emailEnabled, zone: defaults.timezone },
    quiet: {
      email: quiet.emailEnabled,
      from: quiet.quietHoursStart,
      to: quiet.quietHoursEnd,
      zone: quiet.timezone,
    },
    refused: await refused(bob.notificationSettings.get(id)),
  };
}
