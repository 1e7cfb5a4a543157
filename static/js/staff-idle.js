// A staff screen that nobody touches does not go on showing patients: after the idle time the session ends, and the page
// that says so is shown. Where another tab was used meanwhile, this one stays open and counts from then. While somebody
// types or moves, the server is told, so that it does not lock by itself (clinic/idle.py).
(() => {
  const script = document.currentScript;
  const idle = Number(script.dataset.idleSeconds) * 1000;
  const ping = Number(script.dataset.pingSeconds) * 1000;
  let touched = Date.now();
  let told = Date.now();
  // A touch that comes too late (after the computer slept, say) does not open the screen again.
  const touch = () => { if (Date.now() - touched < idle) touched = Date.now(); };
  for (const name of ["keydown", "pointerdown", "pointermove", "wheel", "touchstart"]) {
    document.addEventListener(name, touch, { passive: true });
  }
  const leave = () => {
    const back = encodeURIComponent(location.pathname + location.search);
    location.replace(`${script.dataset.locked}?next=${back}`);
  };
  // Read anew each time: the token changes when somebody signs in again in another tab.
  const token = () => (document.cookie.match(/(?:^|; )csrftoken=([^;]+)/) || [])[1] || "";
  // Whether the session is over; null when the server cannot be reached. Hidden first: it may take a while to know.
  const lock = async () => {
    document.body.hidden = true;
    let answer;
    try {
      answer = await fetch(script.dataset.locked, {
        method: "POST", credentials: "same-origin", cache: "no-store", headers: { "X-CSRFToken": token() },
      });
    } catch {
      return null;
    }
    if (!answer.ok) return true;
    const said = await answer.json();
    if (!said.locked) {
      told = Date.now();
      touched = told - said.unused_for * 1000;
      document.body.hidden = false;
    }
    return said.locked;
  };
  const look = async () => {
    const now = Date.now();
    if (now - touched >= idle) {
      if (await lock()) { leave(); return; }
    } else if (touched > told && now - told >= ping) {
      told = now;
      fetch(script.dataset.here, { credentials: "same-origin", cache: "no-store" }).catch(() => {});
    }
    setTimeout(look, Math.min(1000, idle / 3));
  };
  look();
})();
