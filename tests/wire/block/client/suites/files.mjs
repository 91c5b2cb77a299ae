// A file of a conversation: a link, the upload, the file.
export default async function ({ as, given, refused }) {
  const ada = as("ada");
  const where = given.context;
  // The server calls itself by another name than the one it is reached by here.
  const here = (url) => url.replace(given.public, process.argv[3]);
  const place = await ada.messageFiles.presign(where, {
    filename: "plan.png",
    contentType: "image/png",
    size: 5,
  });
  if (!(place.expiresAt instanceof Date)) throw new Error("the link has no end");
  const put = await fetch(here(place.uploadUrl), { method: "PUT", body: "hello" });
  const created = await ada.messageFiles.create(where, {
    name: "plan.png",
    url: place.fileUrl,
    payload: { page: 1 },
  });
  const same = await as("ben").messageFiles.get(where, created.uniqueId);
  const content = await fetch(here(same.url));
  await ada.messageFiles.delete(where, created.uniqueId);
  return {
    put: put.status,
    created: {
      name: created.name,
      contentType: created.contentType,
      size: created.size,
      status: created.status,
      payload: created.payload,
    },
    same: same.uniqueId === created.uniqueId && same.conversationUniqueId === where,
    content: await content.text(),
    gone: await refused(ada.messageFiles.get(where, created.uniqueId)),
  };
}
