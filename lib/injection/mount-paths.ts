/**
 * Segments of a path in a container, without those that change nothing: `/a//b/./c`, `a/b/c` and `/a/b/c` are the
 * same place. `/run` and `/var/run` are the same directory in nearly every image.
 */
export const splitMountPath = (path: string): readonly string[] => {
  const plain = path.split('/').filter((segment) => segment !== '' && segment !== '.');
  return plain[0] === 'run' ? ['var', ...plain] : plain;
};

/** Whether `folder` is the path or contains it, in any spelling without `..`. */
export const isAtOrBelow = (path: string, folder: string): boolean => {
  const [inner, outer] = [splitMountPath(path), splitMountPath(folder)];
  return inner.slice(0, outer.length).join('/') === outer.join('/');
};
