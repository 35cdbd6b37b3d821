// Finds a Vulkan for WebGPU: what the environment names, else the machine's own driver, else SwiftShader (software), which comes
// with Chromium. A process finds it only when it starts with these variables.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

export interface FoundVulkan {
  /** What a process has to be started with. */
  readonly env: Readonly<Record<string, string>>;
  /** For people. */
  readonly text: string;
}

type Env = Readonly<Record<string, string | undefined>>;

const CHROMIUM_FOLDERS = ['/usr/lib/chromium', '/usr/lib/chromium-browser', '/opt/google/chrome'];
const DRIVER_FOLDERS = ['/etc/vulkan/icd.d', '/usr/share/vulkan/icd.d'];

export function findVulkan(env: Env, platform: NodeJS.Platform = process.platform): FoundVulkan {
  if (platform !== 'linux') return { env: {}, text: `the GPU of ${platform}` };
  for (const name of ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES'])
    if (env[name]) return { env: {}, text: `the Vulkan driver of ${name}` };
  const own = DRIVER_FOLDERS.find(
    (folder) => existsSync(folder) && readdirSync(folder).some((file) => file.endsWith('.json')),
  );
  if (own !== undefined) return { env: {}, text: `the Vulkan driver of ${own}` };
  for (const folder of CHROMIUM_FOLDERS) {
    const driver = join(folder, 'vk_swiftshader_icd.json');
    if (existsSync(driver) && existsSync(join(folder, 'libvulkan.so.1')))
      return {
        env: {
          VK_ICD_FILENAMES: driver,
          LD_LIBRARY_PATH: [folder, env['LD_LIBRARY_PATH'] ?? ''].filter((path) => path !== '').join(':'),
        },
        text: `SwiftShader of ${folder}, in software`,
      };
  }
  return {
    env: {},
    text: `no Vulkan: no driver in ${DRIVER_FOLDERS.join(', ')}, no SwiftShader in ${CHROMIUM_FOLDERS.join(', ')}`,
  };
}
