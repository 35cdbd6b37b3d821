/** Refuses a codec that cannot store a space's targets, before anything is computed. */
import { StillhouseError } from '../core/failure.ts';
import { codecName } from './codecs/codec.ts';
import { codecMisfit } from './codecs/stored-tensor.ts';
import { type SpaceDescriptor, spaceLabel } from './space.ts';

/** @throws StillhouseError bad-input. */
export function assertCodecFits(space: SpaceDescriptor): void {
  const misfit = codecMisfit(space);
  if (misfit === null) return;
  throw new StillhouseError({
    kind: 'bad-input',
    what: 'a codec does not fit the targets',
    where: `codec ${codecName(space.codec)} of ${spaceLabel(space)}`,
    wanted: `a codec for targets of ${space.shape.join(' x ')}`,
    got: misfit,
    next: 'choose another codec for this kind, such as `codec: { summary: i8p, spatial: i8p-pool2 }`',
  });
}
