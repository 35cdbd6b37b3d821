/**
 * What a loader's thread does. Codecs and the decoder of images are loaded only where they are needed: a thread that copies rows
 * starts in a fraction of the time.
 */
import type { JobProtocol, JobSetup, SpaceCoding } from './job-protocol.ts';
import { RowReader, type SpaceRows } from './row-job.ts';

export type JobWork = {
  readonly [K in keyof JobProtocol]: (arg: JobProtocol[K]['arg']) => Promise<JobProtocol[K]['result']>;
};

export async function openJobWork({ thread, spaces, pixels }: JobSetup): Promise<JobWork> {
  const reader = new RowReader(await Promise.all(spaces.map(spaceRows)), thread);
  const renderer = pixels === null ? null : new (await import('./pixel-job.ts')).PixelRenderer(pixels);
  return {
    rows: (job) => Promise.resolve(reader.run(job)),
    pixels: (job) => {
      if (renderer === null) throw new Error('internal: a loader without pixels got a pixel job');
      return renderer.run(job);
    },
  };
}

async function spaceRows(space: SpaceCoding): Promise<SpaceRows> {
  const { storedBytes, rowBytes, ...coding } = space;
  if ('normalise' in coding) {
    const decoder =
      coding.normalise &&
      (await import('./pixel-decoder.ts')).openPixelDecoder(coding.sizePx, coding.normalise);
    return { storedBytes, rowBytes, decoder };
  }
  const isStoredForm = coding.descriptor.codec.id === coding.as;
  const decoder = isStoredForm ? null : (await import('./row-decoder.ts')).openRowDecoder(coding);
  return { storedBytes, rowBytes, decoder };
}
