import { describe, expect, it } from 'vitest';
import {
  type Device,
  PROVIDERS,
  PROVIDER_TRAITS,
  deviceName,
  parseDevices,
} from '../../src/teachers/devices.ts';
import { resolveWith } from '../../src/teachers/resolve-devices.ts';
import { failing } from '../support/failing.ts';

describe('the name of a device', () => {
  it.each(['cpu', 'webgpu', 'cuda', 'cuda:0', 'tensorrt:3', 'cuda:0,cuda:1'])(
    '%s is read, and written as it was',
    (text) => {
      expect((parseDevices(text) as readonly Device[]).map(deviceName).join()).toBe(text);
    },
  );

  it('may leave the choice to the machine', () => {
    expect(parseDevices('auto')).toBe('auto');
  });

  it.each([
    ['gpu', /cpu, webgpu, cuda, tensorrt/],
    ['', /cpu, webgpu/],
    ['auto,cpu', /cpu, webgpu/],
    ['cuda:0,cpu', /one kind/],
    ['cuda,cuda', /each device once/],
    ['cuda,cuda:0', /each device once/],
    ['cuda:x', /cuda:0/],
    ['cuda:0:1', /cuda:0,cuda:1/],
    ['cpu:1', /cpu without a number/],
  ])('%j is refused with what would do', (text, wanted) => {
    expect(() => parseDevices(text)).toThrow(
      failing(2, { where: '--device', got: text, wanted: expect.stringMatching(wanted) }),
    );
  });

  it('stands for nothing but an index in what the providers of CUDA are told', () => {
    expect(PROVIDER_TRAITS.cuda.executionProviders!(2, [])).toEqual([{ name: 'cuda', deviceId: 2 }]);
    expect(PROVIDER_TRAITS.tensorrt.executionProviders!(1, [])).toEqual([
      { name: 'tensorrt', deviceId: 1 },
      { name: 'cuda', deviceId: 1 },
    ]);
    expect(PROVIDER_TRAITS.webgpu.executionProviders!(0, ['/Resize'])).toEqual([
      { name: 'webgpu', forceCpuNodeNames: ['/Resize'] },
    ]);
    for (const provider of PROVIDERS) expect(PROVIDER_TRAITS[provider].needs).not.toBe('');
  });
});

/** A machine on which a product takes so many milliseconds, or fails with a message. */
const machine = (times: Readonly<Record<string, number | string>>) => (device: Device) => {
  const found = times[deviceName(device)];
  return typeof found === 'number' ? Promise.resolve(found) : Promise.reject(new Error(found));
};

describe('a device that is named', () => {
  it('is taken where it loads, however slow it is', async () => {
    const found = await resolveWith('webgpu', machine({ cpu: 1, webgpu: 1e6 }));
    expect(found).toEqual({ devices: [{ provider: 'webgpu', index: null }], note: null });
  });

  it.each([
    ['cuda', 'cuda', /cuDNN 9.*--onnxruntime-node-install=cuda12/],
    ['tensorrt:1', 'tensorrt:1', /TensorRT 10.*CUDA 12/],
    ['webgpu', 'webgpu', /libvulkan\.so\.1/],
    ['cuda:0,cuda:1', 'cuda:1', /NVIDIA GPU/],
    ['tfjs-gpu', 'tfjs-gpu', /npm install @tensorflow\/tfjs-node-gpu/],
  ])(
    '%s and absent is trouble of the environment that says what to install, never another device',
    async (text, absent, wanted) => {
      const says = 'OrtSessionOptionsAppendExecutionProvider_Cuda: Failed to load shared library';
      await expect(resolveWith(text, machine({ cpu: 1, 'cuda:0': 1, [absent]: says }))).rejects.toThrow(
        failing(5, {
          what: 'the device cannot be used on this machine',
          where: `--device ${absent}`,
          wanted: expect.stringMatching(wanted),
          got: says,
          next: expect.stringContaining('--device cpu'),
        }),
      );
    },
  );

  it('and absent is said in what the engine meant, without places in its sources', async () => {
    const says =
      '/onnxruntime_src/onnxruntime/core/providers/webgpu/webgpu_context.cc:136 onnxruntime::webgpu::WebGpuContext::Initialize(const onnxruntime::webgpu::WebGpuContextConfig&)::<lambda()> adapter_result.status == wgpu::RequestAdapterStatus::Success was false. Failed to get a WebGPU adapter: No supported adapters\n';
    await expect(resolveWith('webgpu', machine({ webgpu: says }))).rejects.toThrow(
      failing(5, { got: 'Failed to get a WebGPU adapter: No supported adapters' }),
    );
  });
});

describe('auto', () => {
  it('takes CUDA where it loads', async () => {
    expect(await resolveWith('auto', machine({ cpu: 2, cuda: 1, webgpu: 1 }))).toEqual({
      devices: [{ provider: 'cuda', index: null }],
      note: 'device auto is cuda',
    });
  });

  it('takes the CPU where nothing else loads', async () => {
    const { devices, note } = await resolveWith(
      'auto',
      machine({ cpu: 2, cuda: 'no library', webgpu: 'none' }),
    );
    expect(devices).toEqual([{ provider: 'cpu', index: null }]);
    expect(note).toBe('device auto is cpu (cuda: no library; webgpu: none)');
  });

  it('takes WebGPU where CUDA does not load, a little slower than the CPU on a small product too, and says why', async () => {
    expect(
      await resolveWith('auto', machine({ cpu: 0.2, cuda: 'no library\nat line 1', webgpu: 3 })),
    ).toEqual({
      devices: [{ provider: 'webgpu', index: null }],
      note: 'device auto is webgpu (cuda: no library)',
    });
  });

  it('does not take a GPU that is computed in software', async () => {
    const { devices, note } = await resolveWith('auto', machine({ cpu: 2, cuda: 'no library', webgpu: 500 }));
    expect(devices).toEqual([{ provider: 'cpu', index: null }]);
    expect(note).toBe(
      'device auto is cpu (cuda: no library; webgpu: computes in software, 250 times slower than the CPU)',
    );
  });
});
