/** The style sheet of every page. Pages are complete without it. */
export const STYLE = `:root {
  color-scheme: light dark;
  --ground: #f6f7f9;
  --sheet: #ffffff;
  --ink: #1b2330;
  --quiet: #55606f;
  --line: #d9dee6;
  --accent: #0b5bd3;
  --on-accent: #ffffff;
  --good: #0d6b3f;
  --good-ground: #e2f4ea;
  --bad: #a3201d;
  --bad-ground: #fdeaea;
  --open: #7a4b00;
  --open-ground: #fdf1d8;
  --off: #4c5666;
  --off-ground: #e9ecf1;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #12161d;
    --sheet: #1a202a;
    --ink: #e6eaf1;
    --quiet: #a3aebd;
    --line: #313a48;
    --accent: #7db2ff;
    --on-accent: #0b1420;
    --good: #7fdcab;
    --good-ground: #123524;
    --bad: #ff9d97;
    --bad-ground: #431a1a;
    --open: #f5c772;
    --open-ground: #3c2c0c;
    --off: #b5bfcd;
    --off-ground: #2a323f;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0;
  background: var(--ground);
  color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif;
  overflow-wrap: anywhere;
}
a { color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 0.5rem; top: 0.5rem; background: var(--sheet); padding: 0.5rem; }

header {
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: 0.25rem 1.5rem;
  padding: 0.6rem 1.5rem;
  background: var(--sheet);
  border-bottom: 1px solid var(--line);
}
header p { margin: 0; }
header .name { font-weight: 700; letter-spacing: 0.01em; }
header .who { margin-left: auto; color: var(--quiet); font-size: 0.875rem; }
header .who span { color: var(--ink); }
nav ul { display: flex; flex-wrap: wrap; gap: 0.25rem; margin: 0; padding: 0; list-style: none; }
nav a {
  display: block;
  padding: 0.3rem 0.65rem;
  border-radius: 0.4rem;
  color: var(--ink);
  text-decoration: none;
}
nav a:hover { background: var(--off-ground); }
nav a[aria-current] { background: var(--accent); color: var(--on-accent); }

main, footer { max-width: 76rem; margin: 0 auto; padding: 0.5rem 1.5rem; }
footer { color: var(--quiet); font-size: 0.85rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 1rem 0; }
h2 { font-size: 1.05rem; margin: 0 0 0.5rem; }
main > p:not([class]) { max-width: 48rem; }

.notice, .problems, .absent, .empty {
  padding: 0.65rem 1rem;
  border-radius: 0.5rem;
  border: 1px solid var(--line);
  background: var(--sheet);
}
.notice { background: var(--good-ground); color: var(--good); border-color: currentColor; }
.problems { background: var(--bad-ground); color: var(--bad); border-color: currentColor; margin: 1rem 0; }
.problems ul { margin: 0; padding-left: 1.2rem; }
.absent, .empty { color: var(--quiet); max-width: none; }

.counts { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: 0.75rem; margin: 1rem 0; padding: 0; list-style: none; }
.counts li { background: var(--sheet); border: 1px solid var(--line); border-radius: 0.6rem; padding: 0.9rem 1rem; }
.counts a { display: block; text-decoration: none; color: var(--ink); }
.counts a:hover { text-decoration: underline; }
.counts strong { display: block; font-size: 1.9rem; line-height: 1.1; font-variant-numeric: tabular-nums; }
.counts span { color: var(--quiet); font-size: 0.85rem; }

table { width: 100%; margin: 1rem 0; border-collapse: separate; border-spacing: 0; background: var(--sheet); border: 1px solid var(--line); border-radius: 0.6rem; }
caption { text-align: left; font-weight: 600; padding: 0.25rem 0 0.5rem; }
th, td { text-align: left; vertical-align: top; padding: 0.55rem 0.8rem; border-top: 1px solid var(--line); }
th { border-top: 0; color: var(--quiet); font-size: 0.8rem; font-weight: 600; }
td { font-size: 0.95rem; }
small { display: block; color: var(--quiet); font-size: 0.85rem; }
time { white-space: nowrap; font-variant-numeric: tabular-nums; }
code, pre { font-family: ui-monospace, monospace; font-size: 0.875em; }
pre { background: var(--sheet); border: 1px solid var(--line); border-radius: 0.6rem; padding: 1rem; overflow: auto; }
.word { white-space: nowrap; }
.lines { white-space: pre-wrap; }

.state { display: inline-block; padding: 0 0.55rem; border-radius: 1rem; font-size: 0.85rem; font-weight: 600; white-space: nowrap; color: var(--off); background: var(--off-ground); }
.state.good { color: var(--good); background: var(--good-ground); }
.state.bad { color: var(--bad); background: var(--bad-ground); }
.state.open { color: var(--open); background: var(--open-ground); }

section { margin: 1rem 0; }
section.sheet { background: var(--sheet); border: 1px solid var(--line); border-radius: 0.6rem; padding: 1rem; }
section.request { border: 2px solid var(--accent); }
dl { display: grid; gap: 0.4rem; margin: 0; }
dl div { display: grid; grid-template-columns: minmax(8rem, 11rem) 1fr; gap: 0 1rem; }
dt { color: var(--quiet); }
dd { margin: 0; }

form p { margin: 0.5rem 0; }
fieldset { border: 1px solid var(--line); border-radius: 0.6rem; background: var(--sheet); margin: 0.5rem 0; padding: 0.5rem 1rem 0.75rem; }
legend { font-weight: 600; padding: 0 0.3rem; }
label { display: block; font-size: 0.9rem; }
input, select { font: inherit; color: inherit; background: var(--sheet); border: 1px solid var(--quiet); border-radius: 0.4rem; padding: 0.35rem 0.55rem; width: 100%; max-width: 30rem; }
input[type='checkbox'] { width: auto; }
input[type='checkbox'] + label { display: inline; }
button { font: inherit; font-weight: 600; padding: 0.4rem 1rem; border: 1px solid var(--accent); border-radius: 0.4rem; background: var(--accent); color: var(--on-accent); cursor: pointer; }
button.danger { background: var(--sheet); color: var(--bad); border-color: var(--bad); }
.buttons { display: flex; flex-wrap: wrap; gap: 0.75rem; }
.filter { display: flex; flex-wrap: wrap; align-items: center; gap: 0.5rem; }
.filter input { width: 14rem; }
details { margin-top: 0.35rem; }
summary { cursor: pointer; color: var(--accent); width: max-content; }

@media (max-width: 44rem) {
  header, main, footer { padding-left: 1rem; padding-right: 1rem; }
  header .who { margin-left: 0; }
  table, tbody, tr, td { display: block; }
  caption { display: block; padding: 0.6rem 0.8rem; }
  thead { position: absolute; left: -100rem; }
  tr { border-top: 1px solid var(--line); padding: 0.5rem 0; }
  td { border: 0; padding: 0.2rem 0.8rem; }
  td::before { content: attr(data-label); display: block; color: var(--quiet); font-size: 0.8rem; }
  td:empty { display: none; }
  dl div { grid-template-columns: 1fr; }
}
`;
