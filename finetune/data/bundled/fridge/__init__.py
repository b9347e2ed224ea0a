"""Drawn photographs in the look of Microsoft's fridgeObjects: a can, a carton and two bottles on a dark counter.

A small ray caster. What is what:

- `sets`: the two sets, picture by picture; `arrangement`: where things are in a picture;
- `packages` and its `can`, `carton`, `bottles`, `screw_cap`; `props`: things that are not asked about;
- `artwork`, `lettering`: what is printed on them; `surface`: how prints, metal and clear plastic meet light;
- `solids`, `profiles`, `thing`, `frames`: the shapes, and where a ray meets them;
- `scene`, `room`, `camera`: the place, its light, who looks; `shading`, `shadows`, `render`, `photograph`: the picture.

Only how a package is built depends on its class. Its colours, print, size, slenderness, place, pose and light, and
what stands before it, are drawn without knowing the class.
"""
