import { describe, expect, test } from '@jest/globals';
import { parseManifest } from '../../server/oci/manifest.js';
import { MANIFEST_TYPES, OCI_IMAGE, OCI_INDEX } from '../../server/oci/media-type.js';

const [, , DOCKER_IMAGE, DOCKER_LIST] = MANIFEST_TYPES;
const PART = { mediaType: 'application/octet-stream', digest: `sha256:${'0'.repeat(64)}`, size: 2 };
const IMAGE = { schemaVersion: 2, config: PART, layers: [PART] };
const INDEX = { schemaVersion: 2, manifests: [PART] };

function parse(document: unknown, contentType?: string) {
  return parseManifest(Buffer.from(JSON.stringify(document)), contentType);
}

describe('the type', () => {
  test.each([
    [IMAGE, undefined, OCI_IMAGE],
    [INDEX, undefined, OCI_INDEX],
    [{ ...INDEX, manifests: [] }, undefined, OCI_INDEX],
    [IMAGE, OCI_IMAGE, OCI_IMAGE],
    [IMAGE, `${OCI_IMAGE}; charset=utf-8`, OCI_IMAGE],
    [{ ...IMAGE, mediaType: DOCKER_IMAGE }, undefined, DOCKER_IMAGE],
    [{ ...IMAGE, mediaType: DOCKER_IMAGE }, DOCKER_IMAGE, DOCKER_IMAGE],
    [{ ...INDEX, mediaType: DOCKER_LIST }, DOCKER_LIST, DOCKER_LIST],
  ])('of %j under %s is %s', (document, contentType, type) => {
    expect(parse(document, contentType).mediaType).toBe(type);
  });
});

test.each([
  ['no JSON', '{', undefined, /JSON/],
  ['bytes that are no UTF-8', Buffer.from([0x22, 0xff, 0x22]), undefined, /JSON in UTF-8/],
  ['a list', '[]', undefined, /./],
  ['schema 1', JSON.stringify({ schemaVersion: 1 }), undefined, /schema 1/],
  [
    'schema 1 by its type',
    JSON.stringify(IMAGE),
    'application/vnd.docker.distribution.manifest.v1+prettyjws',
    /schema 1/,
  ],
  ['another type', JSON.stringify(IMAGE), 'application/json', /type application\/json is not kept/],
  ['two types', JSON.stringify({ ...IMAGE, mediaType: DOCKER_IMAGE }), OCI_IMAGE, /Content-Type is/],
  [
    'an image that lists manifests',
    JSON.stringify({ ...IMAGE, manifests: [] }),
    OCI_IMAGE,
    /lists no manifests/,
  ],
  ['an index with layers', JSON.stringify({ ...INDEX, layers: [] }), OCI_INDEX, /has no layers/],
  ['no config', JSON.stringify({ ...IMAGE, config: undefined }), OCI_IMAGE, /^config: /],
  ['no layers', JSON.stringify({ ...IMAGE, layers: undefined }), OCI_IMAGE, /^layers: /],
  [
    'a digest with blanks behind it',
    JSON.stringify({ ...IMAGE, layers: [{ ...PART, digest: `${PART.digest}  ` }] }),
    OCI_IMAGE,
    /^layers\.0\.digest: /,
  ],
  [
    'a size below nothing',
    JSON.stringify({ ...IMAGE, config: { ...PART, size: -1 } }),
    OCI_IMAGE,
    /^config\.size: /,
  ],
])('%s is refused, with the reason', (_, bytes, contentType, reason) => {
  expect(() => parseManifest(Buffer.from(bytes), contentType)).toThrow(
    expect.objectContaining({ code: 'MANIFEST_INVALID', message: expect.stringMatching(reason) }),
  );
});

test('what is not known is passed over, and data beside a digest is welcome', () => {
  const odd = {
    ...IMAGE,
    'org.example': { a: 1 },
    layers: [{ ...PART, data: 'e30=', annotations: { a: 'b' } }],
  };
  expect(parse(odd).layers).toHaveLength(1);
});
