"""The Django storage, with models of a real Django and a cluster."""

import io
import os
import urllib.request
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, storages
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.db import connection, migrations, models
from django.db.migrations.writer import MigrationWriter
from django.test import override_settings
from PIL import Image

from glassplate import BadReference, PhotoGone, UnsupportedFormat
from glassplate.django import GlassplateStorage
from tests.glassplate.application_files import export_application
from tests.glassplate.django_settings import configure_django
from tests.glassplate.live_cluster import jpeg


@pytest.fixture(name="storage", scope="session")
def _storage(cluster, tmp_path_factory):
    """Configure Django with the storage of an application, and create the table of a model."""
    path = export_application(cluster, tmp_path_factory.mktemp("django"))
    backend = {"BACKEND": "glassplate.django.GlassplateStorage", "OPTIONS": {"application": path}}
    configure_django()
    with override_settings(STORAGES={"default": backend}):
        yield storages["default"]
        storages["default"].client.__exit__(None, None, None)


@pytest.fixture(name="product", scope="session")
def _product(storage):
    """Return a model with both kinds of field."""
    assert isinstance(storage, GlassplateStorage)

    class Product(models.Model):
        photo = models.ImageField(upload_to="products/%Y", width_field="width")
        width = models.IntegerField(null=True)
        scan = models.FileField(blank=True)

        class Meta:
            app_label = "shop"

        def __str__(self):
            return self.photo.name

    with connection.schema_editor() as editor:
        editor.create_model(Product)
    return Product


@pytest.fixture(name="saved")
def _saved(product, photo):
    """Return a saved product, loaded again from the database."""
    made = product(photo=ContentFile(photo, name="cat.jpg"), scan=ContentFile(photo, name="a.bin"))
    made.save()
    return product.objects.get(pk=made.pk)


def test_a_saved_photo_is_served_by_an_edge(saved, cluster, storage, photo):
    """The name is the reference and the format, and the URL of a size is signed."""
    reference, _, ext = saved.photo.name.rpartition(".")
    assert ext == "jpg"
    assert saved.width == 300
    with saved.photo.open() as file:
        assert file.read() == photo
    assert saved.photo.size == len(photo)
    cluster.make_one_size(reference)
    small = GlassplateStorage(storage._application, size="t")
    with urllib.request.urlopen(small.url(saved.photo.name)) as response:
        assert Image.open(io.BytesIO(response.read())).size == (100, 67)
    small.client.__exit__(None, None, None)
    assert saved.photo.url.startswith(f"{cluster.cluster.public_url}/")
    assert "_b." in saved.photo.url


def test_the_url_of_an_original_can_end(saved, storage, photo):
    """Size "o" has the format of the upload, and `expires` is a timedelta or seconds."""
    for expires in (3600, timedelta(hours=1)):
        original = GlassplateStorage(storage._application, size="o", expires=expires)
        url = original.url(saved.scan.name)
        assert url.rpartition("/")[2].split(".")[2] != "0"
        with urllib.request.urlopen(url) as response:
            assert response.read() == photo
        original.client.__exit__(None, None, None)


def test_a_deleted_photo_is_gone(saved, storage):
    """Deleting it again is harmless."""
    name = saved.photo.name
    saved.photo.delete()
    with pytest.raises(PhotoGone):
        storage.client.info(storage.reference(name))
    storage.delete(name)
    storage.delete("1/01jd3x8m2c9qp4k7/3fz8qd.jpg")


def test_a_large_upload_is_sent_from_its_temporary_file(product, seeds):
    """So is one in chunks, which is never in memory as a whole."""
    photo = jpeg(next(seeds)) + bytes(9_000_000)
    with TemporaryUploadedFile("cat.jpg", "image/jpeg", len(photo), None) as uploaded:
        uploaded.write(photo)
        uploaded.seek(0)
        made = product(photo=uploaded)
        made.save()
    assert made.photo.size == len(photo)
    other = jpeg(next(seeds)) + bytes(9_000_000)
    made.scan.save("cat.bin", ContentFile(other))
    assert made.scan.size == len(other)


def test_equal_names_are_different_photos(product, seeds):
    """Nothing is overwritten."""
    first, second = (
        product.objects.create(photo=ContentFile(jpeg(next(seeds)), name="cat.jpg"))
        for _ in range(2)
    )
    assert first.photo.name != second.photo.name


def test_a_file_that_is_not_a_photo_is_refused(product):
    """A field without its own check raises the error of the client."""
    with pytest.raises(UnsupportedFormat):
        product().scan.save("notes.txt", ContentFile(b"text, and no photo at all"))


def test_a_name_of_another_storage_is_refused(storage):
    """The message has the form of a name."""
    with pytest.raises(BadReference, match="VOLUME/PHOTO/VERSION"):
        storage.url("products/cat.jpeg")
    with pytest.raises(BadReference):
        storage.url("products/cat.jpg")


def test_a_photo_cannot_be_opened_for_writing(saved):
    """A photo never changes."""
    with pytest.raises(ValueError, match="mode rb"):
        saved.photo.open("wb")


def test_the_storage_of_a_field_can_be_in_a_migration():
    """It is written with its arguments, and is equal afterwards."""
    storage = GlassplateStorage("shop.toml", size="x", expires=timedelta(hours=1))
    field = models.ImageField(storage=storage)
    operation = migrations.AddField("product", "photo", field)
    migration = type("Migration", (migrations.Migration,), {"operations": [operation]})
    text = MigrationWriter(migration("0001", "shop")).as_string()
    assert "glassplate.django.GlassplateStorage('shop.toml'" in text
    assert not isinstance(storage, FileSystemStorage)


def test_a_forked_process_opens_a_client_of_its_own(saved, storage, photo):
    """A server that forks workers has its thread in the parent only."""
    before = storage.client
    child = os.fork()
    if child == 0:
        is_read = storage.client is not before and storage._read(saved.photo.name) == photo
        os._exit(0 if is_read else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert storage.client is before
