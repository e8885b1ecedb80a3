/** Files of other formats that are handed over as models, by how they begin. */

/** What a file is instead of an ONNX model, and what to do with it. */
export interface Foreign {
  readonly what: string;
  readonly hint: string;
}

interface Signature extends Foreign {
  /** Text that stands in the file, byte by byte, letters in either case. */
  readonly text: string;
  readonly at: number;
}

const SIGNATURES: readonly Signature[] = [
  {
    text: "TFL3",
    at: 4,
    what: "a TensorFlow Lite model",
    hint: "convert it: python -m tf2onnx.convert --tflite MODEL.tflite --output MODEL.onnx",
  },
  {
    text: "ORTM",
    at: 4,
    what: "a model in onnxruntime's own format",
    hint: "name the ONNX file that it was made of",
  },
  {
    text: "\x89HDF\r\n\x1a\n",
    at: 0,
    what: "an HDF5 file, as Keras writes",
    hint: "export the model: tf2onnx.convert.from_keras(model, output_path='MODEL.onnx')",
  },
  {
    text: "PK\x03\x04",
    at: 0,
    what: "a zip archive, as PyTorch and Keras write",
    hint:
      "export the model as ONNX, from PyTorch by torch.onnx.export(model, sample, 'MODEL.onnx')",
  },
  { text: "\x1f\x8b", at: 0, what: "compressed by gzip", hint: "unpack it" },
  {
    text: "version https://git-lfs",
    at: 0,
    what: "a pointer of Git LFS",
    hint: "fetch the file itself: git lfs pull",
  },
  ...["<!doctype", "<html", "<?xml"].map((text) => ({
    text,
    at: 0,
    what: "a page of text, not a model",
    hint: "download the file itself",
  })),
];

/** What a file that is no ONNX model is, where its first bytes tell. */
export function foreignFormat(bytes: Uint8Array): Foreign | null {
  const start = String.fromCharCode(...bytes.subarray(0, 32)).toLowerCase();
  return SIGNATURES.find(({ text, at }) => start.startsWith(text.toLowerCase(), at)) ?? null;
}
