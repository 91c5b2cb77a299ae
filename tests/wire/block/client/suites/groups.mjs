// Groups, invites to them, and their lists.
export default async function ({ as, server, given, refused }) {
  const ada = as("ada");
  const ben = as("ben");
  const id = (name) => given.people[name].id;
  const told = {};

  const context = await ada.contexts.create({ name: "Course", payload: {} });
  const group = await ada.groups.create({
    name: "Team Red",
    code: "red",
    qcode: "q",
    groupType: "team",
    members: ["guest-7"],
    sourceAlias: "crm",
    payload: { context_id: context.uniqueId },
  });
  told.created = [
    group.name,
    group.code,
    group.qcode,
    group.groupType,
    group.members.map((one) => (one === id("ada") ? "ada" : one)),
    group.uniqueCode.length > 0,
    group.status,
    group.enabled,
    group.sourceAlias,
  ];
  const page = await ada.groups.list({
    page: 1,
    perPage: 5,
    status: "active",
    groupType: "team",
    search: "EAM r",
    sortBy: "name",
  });
  told.listed = [page.data.map((one) => one.name), page.meta];
  told.got = (await ada.groups.get(group.uniqueId)).uniqueId === group.uniqueId;
  told.hidden = await refused(ben.groups.get(group.uniqueId));
  told.added = (await ada.groups.addMember(group.uniqueId, id("ben"))).members.length;
  told.addedTwice = (await ada.groups.addMember(group.uniqueId, id("ben"))).members.length;
  told.notBen = await refused(ben.groups.addMember(group.uniqueId, "friend"));
  told.ofUser = (await ben.users.listGroups(id("ben"))).data.map((one) => one.name);
  told.ofContext = (await ada.contexts.listGroups(context.uniqueId)).data.map((one) => one.name);
  told.ofUserAndContext = (await ada.users.listContextGroups(id("ada"), context.uniqueId)).data.length;
  told.removed = (await ada.groups.removeMember(group.uniqueId, id("ben"))).members.length;
  told.removedTwice = await refused(ada.groups.removeMember(group.uniqueId, id("ben")));
  const updated = await ada.groups.update(group.uniqueId, { name: "Team Blue", members: [id("cem")], enabled: false });
  told.updated = [updated.name, updated.enabled, updated.members.length];
  const other = await ada.groups.create({ name: "Other", uniqueCode: "taken" });
  told.taken = await refused(ada.groups.update(group.uniqueId, { uniqueCode: other.uniqueCode }));

  const invite = await ada.groupInvites.create(group.uniqueId, { maxUses: 1, expiresAt: "2040-01-01T00:00:00Z" });
  told.invite = [
    invite.code.length,
    invite.maxUses,
    invite.usesCount,
    invite.groupUniqueId === group.uniqueId,
    invite.inviterUniqueId === id("ada"),
    invite.expiresAt.toISOString(),
    invite.status,
  ];
  const { qrCode, inviteUrl } = await ada.groupInvites.getQRCode(group.uniqueId, invite.code);
  told.qr = [qrCode.slice(0, 26), inviteUrl.replace(invite.code, "CODE")];
  told.joined = (await ben.groupInvites.join(invite.code)).members.includes(id("ben"));
  told.again = await refused(ben.groupInvites.join(invite.code, { userUniqueId: id("ben") }));
  told.full = await refused(as("eve").groupInvites.join(invite.code));
  told.unknown = await refused(ben.groupInvites.join("x".repeat(22)));
  told.invites = (await ada.groupInvites.list(group.uniqueId, { page: 1, perPage: 5, status: "active" })).data.map(
    (one) => [one.code === invite.code, one.usesCount],
  );
  const second = await ada.groupInvites.create(group.uniqueId);
  told.unlimited = [second.maxUses, second.usesCount];
  await ada.groupInvites.revoke(group.uniqueId, second.code);
  told.revoked = await refused(as("eve").groupInvites.join(second.code));
  told.byServer = (await server.groupInvites.join((await ada.groupInvites.create(group.uniqueId)).code, {
    userUniqueId: id("eve"),
  })).members.includes(id("eve"));

  told.notTheirs = await refused(ben.groups.delete(group.uniqueId));
  await ada.groups.delete(group.uniqueId);
  told.gone = await refused(ada.groups.get(group.uniqueId));
  told.trash = (await ada.groups.listDeleted({ page: 1, perPage: 5 })).data.map((one) => one.name);
  told.recovered = (await ada.groups.recover(group.uniqueId)).name;
  return told;
}
