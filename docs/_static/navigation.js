// Scroll the side bar, and nothing else, to the page that is shown.
addEventListener("DOMContentLoaded", () => {
  const bar = document.querySelector(".sidebar-scroll");
  const here = document.querySelector(".sidebar-tree .current-page");
  if (bar && here) {
    const distance = here.getBoundingClientRect().top - bar.getBoundingClientRect().top;
    if (distance > bar.clientHeight * 0.8) {
      bar.scrollTop += distance - bar.clientHeight / 3;
    }
  }
});
