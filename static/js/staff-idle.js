// A staff screen that nobody touches does not go on showing patients: after the idle time it shows the sign-in page.
// The server locks by itself; this hides what is on the screen, and keeps the session while somebody types.
(() => {
  const script = document.currentScript;
  const idle = Number(script.dataset.idleSeconds || 600) * 1000;
  const ping = Math.min(60000, idle / 3);
  let touched = Date.now();
  let told = Date.now();
  const touch = () => { touched = Date.now(); };
  for (const name of ["keydown", "pointerdown", "pointermove", "wheel", "touchstart"]) {
    document.addEventListener(name, touch, { passive: true });
  }
  const look = () => {
    const now = Date.now();
    if (now - touched >= idle) {
      const back = encodeURIComponent(location.pathname + location.search);
      location.replace(`${script.dataset.locked}?next=${back}`);
      return;
    }
    if (touched > told && now - told >= ping) {
      told = now;
      fetch(script.dataset.here, { credentials: "same-origin", cache: "no-store" }).catch(() => {});
    }
    setTimeout(look, Math.min(1000, idle / 3));
  };
  look();
})();
