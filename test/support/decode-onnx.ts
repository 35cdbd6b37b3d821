/** An ONNX model as the protobuf holds it, for tests that look inside. */
import onnxProto from 'onnx-proto';
import type { OnnxModel } from '../../src/format/onnx-model.ts';

export function decodeOnnx(bytes: Uint8Array): OnnxModel {
  return onnxProto.onnx.ModelProto.decode(bytes);
}
