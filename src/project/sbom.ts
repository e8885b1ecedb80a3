/** A bill of materials in SPDX 2.3 (JSON): what the project was made from, and its files. */
import { createHash } from "node:crypto";
import { VERSION } from "../util/version.ts";
import type { Bundle } from "./bundle.ts";

/** Where it is written. */
export const SBOM_FILE = "sbom.spdx.json";

/** SPDX demands a time of creation; the files are the same whenever they are made. */
const CREATED = "1980-01-01T00:00:00Z";

const idOf = (kind: string, index: number): string => `SPDXRef-${kind}-${index}`;

/**
 * The SPDX document of a project.
 * @param digests SHA-256 of every file, by path
 */
export function sbom(b: Bundle, digests: ReadonlyMap<string, string>): Record<string, unknown> {
  const files = [...digests].sort(([x], [y]) => x < y ? -1 : 1);
  const all = createHash("sha256").update(files.join("\n")).digest("hex");
  const root = "SPDXRef-Package-project";
  const tool = "SPDXRef-Package-burin";
  const relation = (from: string, type: string, to: string) => ({
    spdxElementId: from,
    relationshipType: type,
    relatedSpdxElement: to,
  });
  return {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name: b.name,
    documentNamespace: `https://spdx.org/spdxdocs/burin-${b.name}-${all}`,
    creationInfo: { created: CREATED, creators: [`Tool: burin-${VERSION}`] },
    documentDescribes: [root],
    packages: [
      {
        SPDXID: root,
        name: b.name,
        downloadLocation: "NOASSERTION",
        filesAnalyzed: false,
        licenseConcluded: "NOASSERTION",
        licenseDeclared: "NOASSERTION",
        copyrightText: "NOASSERTION",
        primaryPackagePurpose: "LIBRARY",
        comment: "Generated C; the constants are those of the model, under the model's licence.",
      },
      {
        SPDXID: tool,
        name: "burin",
        versionInfo: VERSION,
        downloadLocation: "NOASSERTION",
        filesAnalyzed: false,
        licenseConcluded: "Apache-2.0",
        licenseDeclared: "Apache-2.0",
        copyrightText: "NOASSERTION",
        primaryPackagePurpose: "APPLICATION",
      },
      ...b.models.map((m, i) => ({
        SPDXID: idOf("Package-model", i),
        name: m.name,
        downloadLocation: "NOASSERTION",
        filesAnalyzed: false,
        licenseConcluded: "NOASSERTION",
        licenseDeclared: "NOASSERTION",
        copyrightText: "NOASSERTION",
        primaryPackagePurpose: "SOURCE",
        checksums: [{ algorithm: "SHA256", checksumValue: m.modelSha256 }],
        comment: "The ONNX file that was compiled.",
      })),
    ],
    files: files.map(([path, sha256], i) => ({
      SPDXID: idOf("File", i),
      fileName: `./${path}`,
      checksums: [{ algorithm: "SHA256", checksumValue: sha256 }],
      licenseConcluded: "NOASSERTION",
      copyrightText: "NOASSERTION",
    })),
    relationships: [
      relation("SPDXRef-DOCUMENT", "DESCRIBES", root),
      relation(tool, "BUILD_TOOL_OF", root),
      ...b.models.map((_, i) => relation(root, "GENERATED_FROM", idOf("Package-model", i))),
      ...files.map((_, i) => relation(root, "CONTAINS", idOf("File", i))),
    ],
  };
}
