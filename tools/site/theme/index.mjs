// The theme of the site: VitePress's own, with denser tables, diagrams of the docs drawn in the browser, and
// a switch between versions.
import { useData, useRoute, withBase } from 'vitepress';
import DefaultTheme from 'vitepress/theme-without-fonts';
import { h, nextTick, onMounted, watch } from 'vue';
import './site.css';

let library;

const loadLibrary = () => {
  library ??= new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = withBase('/mermaid.js');
    script.onload = () => resolve(globalThis.mermaid);
    script.onerror = () => reject(new Error('mermaid.js does not load'));
    document.head.append(script);
  });
  return library;
};

const drawDiagrams = async (isDark) => {
  const diagrams = document.querySelectorAll('pre.diagram');
  if (diagrams.length === 0) return;
  const mermaid = await loadLibrary();
  mermaid.initialize({
    startOnLoad: false,
    securityLevel: 'strict',
    theme: isDark ? 'dark' : 'neutral',
  });
  for (const [index, diagram] of diagrams.entries()) {
    diagram.dataset.source ??= diagram.textContent;
    const { svg } = await mermaid.render(`diagram-${index}`, diagram.dataset.source);
    diagram.innerHTML = svg;
  }
};

// Another version is another site: its pages are loaded, not routed to.
const VersionSwitch = {
  setup() {
    const { site, theme } = useData();
    const open = ({ target }) => globalThis.location.assign(target.value);
    return () =>
      h(
        'select',
        { class: 'version-switch', 'aria-label': 'Version of the documentation', onChange: open },
        theme.value.versions.map(({ text, base }) =>
          h('option', { value: base, selected: base === site.value.base }, text),
        ),
      );
  },
};

export default {
  extends: DefaultTheme,
  Layout: () =>
    h(DefaultTheme.Layout, null, {
      'nav-bar-content-after': () => h(VersionSwitch),
      'nav-screen-content-before': () => h(VersionSwitch),
    }),
  setup() {
    const route = useRoute();
    const { isDark } = useData();
    const draw = () => nextTick(() => drawDiagrams(isDark.value));
    onMounted(draw);
    watch([() => route.path, isDark], draw);
  },
};
