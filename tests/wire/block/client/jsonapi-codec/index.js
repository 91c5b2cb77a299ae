// Reads JSON:API documents (https://jsonapi.org/format/1.1/) into the client's own objects.
//
// Strict where a document breaks the format, so that an answer which only a lenient reader takes fails here:
// a resource must have `type`, `id` and `attributes`; a resource named by a relationship must be included.

export function decodeOne(document, mapper) {
  const resource = document?.data;
  if (resource === null || typeof resource !== "object" || Array.isArray(resource)) {
    throw new Error("Expected single resource document");
  }
  return mapper.map(checked(resource), byIdentity(document));
}

export function decodeMany(document, mapper) {
  if (!Array.isArray(document?.data)) throw new Error("Expected collection document");
  const included = byIdentity(document);
  return document.data.map((resource) => mapper.map(checked(resource), included));
}

export function decodePageResult(document, mapper) {
  const { current_page, total_pages, total_count, per_page } = document?.meta ?? {};
  for (const number of [current_page, total_pages, total_count, per_page]) {
    if (!Number.isInteger(number)) throw new Error("A page must say where it lies");
  }
  return {
    data: decodeMany(document, mapper),
    meta: { currentPage: current_page, totalPages: total_pages, totalCount: total_count, perPage: per_page },
  };
}

export function resolveRelationshipMany(resource, name, included, mapper) {
  const linked = resource.relationships?.[name]?.data;
  if (linked === undefined || linked === null) return [];
  if (!Array.isArray(linked)) throw new Error(`The relationship ${name} must be a list`);
  return linked.map(({ type, id }) => {
    const found = included.get(`${type} ${id}`);
    if (found === undefined) throw new Error(`${type} ${id} is not included`);
    return mapper.map(found, included);
  });
}

function byIdentity(document) {
  return new Map((document.included ?? []).map((one) => [`${one.type} ${one.id}`, checked(one)]));
}

function checked(resource) {
  const { type, id, attributes } = resource;
  if (typeof type !== "string" || typeof id !== "string" || typeof attributes !== "object" || !attributes) {
    throw new Error("A resource must have a type, an id and attributes");
  }
  return resource;
}
