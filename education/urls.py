"""The education pages, and the pages every site has. Included at the root of the site."""

from django.urls import include, path

from education import views

learn = [
    path("", views.article_list, name="list"),
    path("pictures/<slug:name>-<str:digest>", views.picture, name="picture"),
    path("<slug:slug>/", views.article, name="article"),
]

urlpatterns = [
    path("learn/", include((learn, "education"))),
    path("privacy/", views.privacy, name="privacy"),
    path("accessibility/", views.accessibility, name="accessibility"),
    path("complaints/", views.complaints, name="complaints"),
    path("contact/", views.contact, name="contact"),
    path("sitemap.xml", views.sitemap, name="sitemap"),
    path("robots.txt", views.robots, name="robots"),
]
